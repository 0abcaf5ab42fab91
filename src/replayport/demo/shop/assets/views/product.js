import { api, bag, escaped, faults, money, toast, track } from "../ui.js";
import { knit } from "../art.js";
import { comfortChart } from "../elements/comfort-chart.js";
import "../elements/star-rating.js";

function giftDialog() {
  return `
    <dialog class="gift" aria-labelledby="gift-title"><form method="dialog">
      <h2 id="gift-title">Make it a present</h2>
      <fieldset><legend>Wrap it in</legend>
        <label class="row"><input type="radio" name="wrap" value="paper" checked> brown paper and a wool end</label>
        <label class="row"><input type="radio" name="wrap" value="box"> a box with a lid, €4</label>
        <label class="row"><input type="radio" name="wrap" value="none"> nothing, I do that myself</label></fieldset>
      <label class="field">A few words<textarea name="note" rows="3" maxlength="240" placeholder="For the cold mornings"></textarea></label>
      <label class="row"><input type="checkbox" name="hide_price"> leave the price out of the parcel</label>
      <div class="actions"><button class="button" value="keep">Keep this</button><button class="quiet" value="cancel">Never mind</button></div>
    </form></dialog>`;
}

function reviewHtml(review) {
  return `<li><star-rating value="${review.stars}"></star-rating><h3>${escaped(review.title)}</h3><p>${escaped(review.text)}</p><small>${escaped(review.author)}</small></li>`;
}

export async function productView(main, params) {
  const slug = params.get("item") ?? "fjord-jumper";
  let item;
  try {
    ({ product: item } = await api("products", { params: { item: slug } }));
  } catch (error) {
    console.warn(`no such piece: ${error.message}`);
    main.innerHTML = `<section class="empty"><h1>We never knitted that.</h1><p><a class="button" href="./" data-spa>Back to the catalogue</a></p></section>`;
    return;
  }
  document.title = `${item.name}, Yarrow & Loop`;
  const first = item.colours[0];
  main.innerHTML = `
    <article class="product">
      <figure class="plate" style="--ground: ${first.ground}">${knit(item, first, escaped(item.name))}</figure>
      <div class="facts">
        <p class="eyebrow"><a href="./" data-spa>Catalogue</a> / <a href="./?kind=${item.kind}" data-spa>${escaped(item.kind)}</a></p>
        <h1>${escaped(item.name)}</h1>
        <p class="price-line"><strong>${money(item.price_cents)}</strong> <a href="#reviews" class="stars"><star-rating value="${item.rating}"></star-rating> ${item.rating}</a></p>
        <p class="blurb">${escaped(item.blurb)}</p>
        <form class="buy">
          <fieldset class="swatches"><legend>Colour: <b>${escaped(first.name)}</b></legend>${item.colours
            .map((c, n) => `<label title="${escaped(c.name)}"><input type="radio" name="colour" value="${n}" ${n ? "" : "checked"}><span style="--a: ${c.base}; --b: ${c.a}"></span></label>`)
            .join("")}</fieldset>
          <fieldset class="sizes"><legend>Size <a href="size-guide?item=${item.slug}" target="_blank" rel="opener">Which one am I?</a></legend>${item.sizes
            .map((s) => `<label><input type="radio" name="size" value="${escaped(s)}" ${item.sizes.length === 1 ? "checked" : ""}><span>${escaped(s)}</span></label>`)
            .join("")}</fieldset>
          <div class="buy-row">
            <div class="stepper"><button type="button" data-step="-1" aria-label="One fewer">−</button><output>1</output><button type="button" data-step="1" aria-label="One more">+</button></div>
            <button class="button wide" id="add-to-bag" type="submit">Add to bag</button>
          </div>
          <p class="size-hint" role="alert"></p>
          <button class="quiet" type="button" id="gift">Make it a present</button>
        </form>
        <div class="comfort"><h2>Good to wear from ${item.comfort_c[0]}° to ${item.comfort_c[1]}°</h2><canvas height="120"></canvas></div>
        <details open><summary>What it is made of</summary><p>${escaped(item.wool)}. Wash rarely, cold, by hand; dry it lying down.</p></details>
        <details><summary>Sending and returning</summary><p>Two to four working days in Europe. Send it back within thirty days, worn at home is fine.</p></details>
      </div>
    </article>
    <section class="reviews" id="reviews"><h2>What people say</h2><ul class="review-list"></ul>
      <form class="review-form"><h3>Say something yourself</h3>
        <label class="field">Stars <star-rating name="stars" value="0" editable></star-rating></label>
        <label class="field">Your words<textarea name="text" rows="4" placeholder="How does it wear?"></textarea></label>
        <label class="row"><input type="checkbox" name="anonymous"> without my name</label>
        <button class="button" type="submit">Send</button></form></section>
    ${giftDialog()}`;

  const form = main.querySelector(".buy");
  const count = form.querySelector("output");
  let gift = null;
  main.querySelector(".swatches").addEventListener("change", (event) => {
    const yarns = item.colours[Number(event.target.value)];
    main.querySelector(".swatches b").textContent = yarns.name;
    const plate = main.querySelector(".plate");
    plate.style.setProperty("--ground", yarns.ground);
    plate.innerHTML = knit(item, yarns, escaped(item.name));
  });
  form.querySelector(".stepper").addEventListener("click", (event) => {
    const step = Number(event.target.dataset.step ?? 0);
    count.value = String(Math.max(1, Math.min(9, Number(count.value) + step)));
  });
  form.addEventListener("change", () => (form.querySelector(".size-hint").textContent = ""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (faults.has("dead-button")) return;
    const size = new FormData(form).get("size");
    if (!size) {
      form.querySelector(".size-hint").textContent = "Choose a size first.";
      return;
    }
    if (faults.has("hidden-error")) window.setTimeout(() => item.stock.warehouse.reserve(item.slug), 0);
    const colour = item.colours[Number(new FormData(form).get("colour"))].name;
    bag.add({ slug: item.slug, size, colour, quantity: Number(count.value), gift });
    track("product added", { item: item.slug, size, price_cents: item.price_cents });
    toast(`${item.name} is in your bag`);
  });

  const dialog = main.querySelector("dialog");
  main.querySelector("#gift").addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "keep") return;
    gift = new FormData(dialog.querySelector("form")).get("wrap");
    main.querySelector("#gift").textContent = `A present, in ${gift === "none" ? "no wrapping" : gift === "box" ? "a box" : "paper"}`;
  });
  comfortChart(main.querySelector("canvas"), item.comfort_c);

  const list = main.querySelector(".review-list");
  try {
    const { reviews } = await api("reviews", { params: { item: slug } });
    list.innerHTML = reviews.map(reviewHtml).join("");
  } catch (error) {
    console.error("reviews did not load", error);
    list.innerHTML = "";
  }
  main.querySelector(".review-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const answers = new FormData(event.target);
    const text = String(answers.get("text")).trim();
    if (!text) return;
    const review = { stars: Number(answers.get("stars")) || 5, title: "Just now", text, author: answers.get("anonymous") ? "somebody" : "you" };
    list.insertAdjacentHTML("afterbegin", reviewHtml(review));
    event.target.reset();
    track("review written", { item: slug, stars: review.stars });
  });
}
