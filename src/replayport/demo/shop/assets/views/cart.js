import { api, bag, escaped, money } from "../ui.js";
import { knit } from "../art.js";

export async function cartView(main) {
  document.title = "Your bag, Yarrow & Loop";
  const lines = bag.lines();
  if (!lines.length) {
    main.innerHTML = `<section class="empty"><h1>Your bag is empty.</h1><p>It is also a very light bag.</p><p><a class="button" href="./" data-spa>Find something warm</a></p></section>`;
    return;
  }
  const priced = await api("cart", { body: { lines } });
  main.innerHTML = `
    <section class="cart"><h1>Your bag</h1>
      <div class="cart-columns">
        <ul class="lines">${priced.lines
          .map(
            (line, n) => `<li><figure style="--ground: ${line.yarns.ground}">${knit(line, line.yarns)}</figure>
              <div><h2><a href="product?item=${line.slug}" data-spa>${escaped(line.name)}</a></h2><p>${escaped(line.colour)}, ${escaped(line.size)}${line.gift ? ", as a present" : ""}</p>
              <div class="stepper" data-line="${n}"><button data-step="-1" aria-label="One fewer">−</button><output>${line.quantity}</output><button data-step="1" aria-label="One more">+</button></div></div>
              <strong>${money(line.total_cents)}</strong></li>`,
          )
          .join("")}</ul>
        <aside class="summary"><h2>Together</h2><dl><dt>Wool</dt><dd>${money(priced.goods_cents)}</dd><dt>Sending</dt><dd>${priced.delivery_cents ? money(priced.delivery_cents) : "free"}</dd><dt class="total">To pay</dt><dd class="total">${money(priced.total_cents)}</dd></dl>
          <a class="button wide" href="checkout">Go to checkout</a>
          <p class="fine">${priced.delivery_cents ? `Another ${money(12000 - priced.goods_cents)} and sending is free.` : "Sending is on us."}</p></aside>
      </div></section>`;
  main.querySelector(".lines").addEventListener("click", (event) => {
    const step = Number(event.target.dataset?.step ?? 0);
    if (!step) return;
    const now = bag.lines();
    now[Number(event.target.parentElement.dataset.line)].quantity += step;
    bag.save(now.filter((line) => line.quantity > 0));
    cartView(main);
  });
}
