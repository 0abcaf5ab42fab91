/**
 * The part of the shop that is one page: catalogue, product and bag.
 *
 * Links marked `data-spa` change the address with `pushState` and repaint `<main>`;
 * everything else (checkout, help, account) is an ordinary page load. All addresses are
 * flat and relative, so the shop can be mounted under any prefix.
 */
import { dress } from "./ui.js";
import { homeView } from "./views/home.js";
import { productView } from "./views/product.js";
import { cartView } from "./views/cart.js";

const VIEWS = { "": homeView, product: productView, cart: cartView };

dress();
const main = document.querySelector("main");

async function show() {
  const name = location.pathname.split("/").at(-1).replace(/\.html$/, "").replace(/^index$/, "");
  for (const link of document.querySelectorAll(".site-header a[data-spa]")) {
    const here = name === "cart" ? "cart" : "./";
    link.toggleAttribute("aria-current", link.getAttribute("href") === here && !link.matches(".brand"));
  }
  main.classList.add("leaving");
  await (VIEWS[name] ?? homeView)(main, new URLSearchParams(location.search));
  main.classList.remove("leaving");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-spa]");
  if (!link || event.metaKey || event.ctrlKey || event.button !== 0) return;
  event.preventDefault();
  history.pushState({}, "", link.href);
  window.scrollTo(0, 0);
  show();
});
window.addEventListener("popstate", show);
show();
