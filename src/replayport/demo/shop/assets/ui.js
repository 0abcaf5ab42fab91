/** What every page shares: header, footer, the bag, the API, small helpers. */

export const faults = window.shopFaults;

/** Send a product-analytics event; does nothing when posthog-js is not there. */
export async function track(event, properties = {}) {
  const posthog = await window.posthogReady;
  posthog?.capture(event, properties);
}

/** Tell posthog-js who this is. */
export async function identify(distinctId, properties) {
  const posthog = await window.posthogReady;
  posthog?.identify(distinctId, properties);
}

export function money(cents) {
  return new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" }).format(cents / 100);
}

/** Escape text that goes into markup. */
export function escaped(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span.innerHTML.replaceAll('"', "&quot;");
}

/**
 * Call the shop's JSON API.
 *
 * @throws {Error} when the answer is not a success; `status` and `detail` say why
 */
export async function api(name, { params = {}, body } = {}) {
  const query = new URLSearchParams(params);
  for (const fault of faults) query.append("fault", fault);
  const answer = await fetch(query.size ? `api/${name}?${query}` : `api/${name}`, {
    method: body === undefined ? "GET" : "POST",
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) {
    throw Object.assign(new Error(`${name} answered ${answer.status}`), { status: answer.status, detail: data });
  }
  return data;
}

export const bag = {
  lines() {
    return JSON.parse(localStorage.getItem("shop_bag") ?? "[]");
  },
  save(lines) {
    localStorage.setItem("shop_bag", JSON.stringify(lines));
    paintBag();
  },
  add(line) {
    const lines = this.lines();
    const same = lines.find((l) => l.slug === line.slug && l.size === line.size && l.colour === line.colour);
    if (same) same.quantity += line.quantity;
    else lines.push(line);
    this.save(lines);
  },
  count() {
    return this.lines().reduce((sum, line) => sum + line.quantity, 0);
  },
};

function paintBag() {
  const badge = document.querySelector(".bag-count");
  if (!badge) return;
  badge.textContent = String(bag.count());
  badge.hidden = bag.count() === 0;
}

let toastTimer;

/** Say something at the bottom of the screen for a moment. */
export function toast(text) {
  let box = document.querySelector(".toast");
  if (!box) {
    box = document.createElement("div");
    box.className = "toast";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.textContent = text;
  requestAnimationFrame(() => box.classList.add("shown"));
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove("shown"), 2600);
}

const MARK =
  '<svg class="mark" viewBox="0 0 64 64" aria-hidden="true"><rect width="64" height="64" rx="18"/><path d="M14 18l18 13 18-13v10L32 41 14 28zM14 34l18 13 18-13v10L32 57 14 44z"/><path class="thread" d="M14 12h36"/></svg>';
const ICONS = {
  bag: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 8h14l1 12H4zM9 10V7a3 3 0 0 1 6 0v3"/></svg>',
  theme: '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="8"/><path class="solid" d="M12 4a8 8 0 0 1 0 16z"/></svg>',
  account: '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="8" r="4"/><path d="M4 21c1-5 4-7 8-7s7 2 8 7"/></svg>',
};
const NOTICES = [
  "Free delivery in Europe from €120",
  "Mended free of charge for five years",
  "Every jumper carries the name of the knitter",
];
const SWITCHES = [
  ["dead-button", "Add to bag does nothing"],
  ["slow-api", "The API takes its time"],
  ["lost-input", "The form forgets the address"],
  ["hidden-error", "Errors only the console sees"],
];

/** Put header and footer around the page. */
export function dress({ here = "" } = {}) {
  const current = (name) => (here === name ? 'aria-current="page"' : "");
  const header = document.createElement("header");
  header.className = "site-header";
  header.innerHTML = `
    <p class="notice" aria-live="off"><span>${NOTICES[0]}</span></p>
    <div class="bar">
      <a class="brand" href="./" data-spa>${MARK}<span>Yarrow <i>&amp;</i> Loop</span></a>
      <nav aria-label="Shop">
        <a href="./" data-spa ${current("home")}>Catalogue</a>
        <a href="size-guide" target="_blank" rel="opener">Size guide</a>
        <a href="help" ${current("help")}>Help</a>
      </nav>
      <div class="tools">
        <button class="icon" id="theme-toggle" aria-label="Light or dark">${ICONS.theme}</button>
        <a class="icon" href="account" aria-label="Account" ${current("account")}>${ICONS.account}</a>
        <a class="icon bag" href="cart" data-spa aria-label="Bag" ${current("cart")}>${ICONS.bag}<b class="bag-count" hidden>0</b></a>
      </div>
    </div>`;
  document.body.prepend(header);

  const footer = document.createElement("footer");
  footer.className = "site-footer";
  footer.innerHTML = `
    <div class="columns">
      <div><div class="brand">${MARK}<span>Yarrow <i>&amp;</i> Loop</span></div>
        <p>Knitwear from one small mill. A made-up shop: nothing here is for sale, nobody is charged, and every visit may be recorded to show how session replay works.</p></div>
      <div><h2>Shop</h2><a href="./?kind=jumpers" data-spa>Jumpers</a><a href="./?kind=cardigans" data-spa>Cardigans and vests</a><a href="./?kind=accessories" data-spa>Small things</a><a href="./?kind=home" data-spa>Blankets</a></div>
      <div><h2>Ask</h2><a href="help">Help and chat</a><a href="help#visit">Visit the mill</a><a href="size-guide" target="_blank" rel="opener">Size guide</a><a href="account">Your account</a></div>
      <details class="switches"><summary>Break something</summary><p>Faults to record on purpose.</p>
        ${SWITCHES.map(([name, text]) => `<label><input type="checkbox" name="fault" value="${name}" ${faults.has(name) ? "checked" : ""}> ${text}</label>`).join("")}
      </details>
    </div>`;
  document.body.append(footer);

  header.querySelector("#theme-toggle").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("shop_theme", theme);
    document.dispatchEvent(new Event("themechange"));
  });
  footer.querySelector(".switches").addEventListener("change", () => {
    const on = [...footer.querySelectorAll("[name=fault]:checked")].map((box) => box.value);
    sessionStorage.setItem("shop_fault", on.join(","));
    location.reload();
  });
  let turn = 0;
  setInterval(() => {
    turn = (turn + 1) % NOTICES.length;
    const line = document.createElement("span");
    line.textContent = NOTICES[turn];
    header.querySelector(".notice").replaceChildren(line);
  }, 6000);
  window.addEventListener("storage", paintBag);
  paintBag();
}
