import { api, escaped, money, track } from "../ui.js";
import { knit, landscape } from "../art.js";
import "../elements/star-rating.js";

const KINDS = [
  ["", "Everything"],
  ["jumpers", "Jumpers"],
  ["cardigans", "Cardigans"],
  ["accessories", "Small things"],
  ["home", "Blankets"],
];

/* The "close together" grid is a constructed sheet whose rules change while it is adopted. */
const density = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, density];

export function card(item) {
  const yarns = item.colours[0];
  return `
    <a class="card" href="product?item=${item.slug}" data-spa data-slug="${item.slug}">
      <figure style="--ground: ${yarns.ground}">${knit(item, yarns, escaped(item.name))}
        ${item.badge ? `<span class="badge">${escaped(item.badge)}</span>` : ""}</figure>
      <div class="card-text"><h3>${escaped(item.name)}</h3><span class="price">${money(item.price_cents)}</span>
        <p><star-rating value="${item.rating}"></star-rating> <small>${item.colours.map((c) => escaped(c.name)).join(", ")}</small></p></div>
    </a>`;
}

/** Catalogue with search, kinds and order; the choice lives in the address. */
export async function homeView(main, params) {
  document.title = "Yarrow & Loop, knitwear from one small mill";
  const kind = params.get("kind") ?? "";
  main.innerHTML = `
    <section class="hero">
      <div class="hero-text">
        <p class="eyebrow">Autumn, issue no. 14</p>
        <h1>Warm things,<br><em>slowly</em> made.</h1>
        <p class="lede">Twelve pieces, one mill, wool from flocks we can point at. Wear it for ten years; we mend it for the first five.</p>
        <p><a class="button" href="#catalogue">See the twelve</a> <a class="quiet" href="product?item=fjord-jumper" data-spa>or start with the Fjord</a></p>
      </div>
      <div class="hero-art" aria-hidden="true"></div>
    </section>
    <section class="catalogue" id="catalogue">
      <div class="filters">
        <label class="search"><svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="11" cy="11" r="6.5"/><path d="M16 16l5 5"/></svg><input type="search" placeholder="Search: socks, merino, moss" aria-label="Search"></label>
        <div class="chips" role="radiogroup" aria-label="Kind">${KINDS.map(
          ([value, text]) => `<label><input type="radio" name="kind" value="${value}" ${value === kind ? "checked" : ""}><span>${text}</span></label>`,
        ).join("")}</div>
        <label class="sort"><select aria-label="Order"><option value="">As we like it</option><option value="price">Price, low first</option><option value="rating">Best loved</option></select></label>
        <label class="density"><input type="checkbox"> close together</label>
      </div>
      <div class="grid" aria-live="polite">${'<div class="card ghost"><figure></figure><p></p></div>'.repeat(8)}</div>
    </section>
    <section class="story">${landscape()}
      <div class="story-text"><p class="eyebrow">The mill</p><h2>Eleven people, four machines, one river.</h2><p>We dye on Mondays, knit until Thursday and send on Friday. If it rains hard on Wednesday everything is a day late, and we write to you.</p><a class="button light" href="help#visit">Visit us</a></div>
    </section>`;

  const { products } = await api("products");
  const bySlug = Object.fromEntries(products.map((item) => [item.slug, item]));
  const art = main.querySelector(".hero-art");
  const show = [["fjord-jumper", 0], ["birch-beanie", 0], ["lark-mittens", 0]];
  art.innerHTML = show.map(([slug, c]) => knit(bySlug[slug], bySlug[slug].colours[c])).join("");

  const grid = main.querySelector(".grid");
  const search = main.querySelector(".search input");
  const sort = main.querySelector(".sort select");

  function paint() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = main.querySelector("[name=kind]:checked").value;
    const found = products.filter((item) => {
      const text = `${item.name} ${item.kind} ${item.blurb} ${item.wool} ${item.colours.map((c) => c.name).join(" ")}`.toLowerCase();
      return (!chosen || item.kind === chosen) && words.every((word) => text.includes(word));
    });
    if (sort.value === "price") found.sort((a, b) => a.price_cents - b.price_cents);
    if (sort.value === "rating") found.sort((a, b) => b.rating - a.rating);
    grid.innerHTML = found.map(card).join("") || `<p class="nothing">Nothing knitted like that yet. <button class="link" type="button">Show everything</button></p>`;
    grid.querySelector(".nothing button")?.addEventListener("click", () => {
      search.value = "";
      main.querySelector('[name=kind][value=""]').checked = true;
      paint();
    });
    console.info("catalogue", { shown: found.length, kind: chosen || "all", words });
  }

  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      paint();
      track("catalogue searched", { length: search.value.length, results: grid.querySelectorAll(".card").length });
    }, 250);
  });
  sort.addEventListener("change", paint);
  main.querySelector(".chips").addEventListener("change", (event) => {
    const address = event.target.value ? `./?kind=${event.target.value}` : "./";
    history.replaceState({}, "", address);
    paint();
  });
  main.querySelector(".density input").addEventListener("change", (event) => {
    if (event.target.checked) density.insertRule(".grid { --card-min: 150px; gap: 14px; }");
    else while (density.cssRules.length) density.deleteRule(0);
  });
  paint();
}
