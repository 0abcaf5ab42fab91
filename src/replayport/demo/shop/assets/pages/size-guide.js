import { dress } from "../ui.js";

dress();
const SIZES = [
  ["XS", 88, 62, 58],
  ["S", 94, 64, 59],
  ["M", 102, 66, 61],
  ["L", 110, 68, 63],
  ["XL", 120, 70, 65],
];
const range = document.querySelector("[name=chest]");
const body = document.querySelector("tbody");

function paint() {
  const unit = document.querySelector("[name=unit]:checked").value;
  const length = (cm) => (unit === "cm" ? `${cm} cm` : `${(cm / 2.54).toFixed(1)} in`);
  const chest = Number(range.value);
  const mine = SIZES.find(([, chestCm]) => chestCm >= chest + 2) ?? SIZES.at(-1);
  document.querySelector(".thread output").value = length(chest);
  document.querySelector(".verdict b").textContent = mine[0];
  body.innerHTML = SIZES.map(
    ([size, ...cms]) => `<tr ${size === mine[0] ? 'class="mine"' : ""}><th>${size}</th>${cms.map((cm) => `<td>${length(cm)}</td>`).join("")}</tr>`,
  ).join("");
}

range.addEventListener("input", paint);
range.addEventListener("change", () => console.info("measured", { size: document.querySelector(".verdict b").textContent }));
document.querySelector(".units").addEventListener("change", paint);
document.querySelector("#close-guide").addEventListener("click", () => {
  if (window.opener) window.close();
  else location.assign("./");
});
paint();
