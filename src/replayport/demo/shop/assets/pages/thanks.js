import { dress, track } from "../ui.js";
import { confetti } from "../elements/confetti.js";
import "../elements/star-rating.js";

dress();
const order = new URLSearchParams(location.search).get("order") ?? "-";
document.querySelector(".order").textContent = order;
document.querySelector(".who").textContent = sessionStorage.getItem("shop_first_name") ?? "friend";
confetti(document.querySelector(".confetti"));
document.querySelector("star-rating").addEventListener("change", (event) => {
  document.querySelector(".answer").textContent = event.target.value > 3 ? "That is good to hear." : "Then we have something to mend.";
  track("shop rated", { stars: event.target.value });
});
console.log("order placed", order);
