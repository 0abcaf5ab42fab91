/*
 * Runs before the first paint: chooses light or dark and reads the fault switches.
 *
 * The theme is an attribute, never a media query in the style sheet: a recording then
 * plays in the theme the visitor saw, whatever the viewer's own system prefers.
 */
(() => {
  const params = new URLSearchParams(location.search);
  const saved = localStorage.getItem("shop_theme");
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = params.get("theme") ?? saved ?? system;

  if (params.has("fault")) sessionStorage.setItem("shop_fault", params.get("fault"));
  const known = ["dead-button", "slow-api", "lost-input", "hidden-error"];
  const asked = (sessionStorage.getItem("shop_fault") ?? "").split(",");
  window.shopFaults = new Set(asked.filter((name) => known.includes(name)));
})();
