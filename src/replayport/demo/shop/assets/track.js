/*
 * Loads the unmodified posthog-js and starts it.
 *
 * The library comes from this origin (`/static/array.js`), as replayport and PostHog
 * serve it; what it records goes to `api_host`: this origin, or `?api_host=` (kept for
 * the visit). `opt_out_useragent_filter` is on because posthog-js sends nothing at all
 * from a headless browser otherwise. The shop works the same when nothing answers.
 */
(() => {
  const asked = new URLSearchParams(location.search).get("api_host");
  if (asked !== null && /^https?:\/\//.test(asked)) sessionStorage.setItem("shop_api_host", asked);
  const apiHost = sessionStorage.getItem("shop_api_host") ?? location.origin;

  window.posthogReady = new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = "/static/array.js";
    script.async = true;
    script.onerror = () => resolve(null);
    script.onload = () => {
      if (!window.posthog) return resolve(null);
      window.posthog.init("phc_demo_shop", {
        api_host: apiHost,
        defaults: "2026-05-30",
        person_profiles: "identified_only",
        opt_out_useragent_filter: true,
      });
      resolve(window.posthog);
    };
    document.head.append(script);
  });
})();
