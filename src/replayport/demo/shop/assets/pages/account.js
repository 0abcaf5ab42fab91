import { dress, money, toast, track } from "../ui.js";

dress({ here: "account" });
const ORDERS = [
  ["YL-41F0", "Tarn socks, two pairs", "on the needles", 4800],
  ["YL-38C2", "Moss crewneck", "with you", 13200],
  ["YL-2A90", "Gorse throw", "with you", 12900],
];
document.querySelector("tbody").replaceChildren(
  ...ORDERS.map(([order, piece, state, cents]) => {
    const row = document.createElement("tr");
    row.append(...[order, piece, state, money(cents)].map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }),
);
document.querySelector("form").addEventListener("change", (event) => {
  toast("Kept");
  console.info("preference kept", event.target.name);
  track("preference changed", { name: event.target.name, value: event.target.value });
});
