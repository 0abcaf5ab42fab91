const place = document.querySelector(".place");

function choose(pin) {
  for (const other of document.querySelectorAll(".pin")) other.classList.toggle("chosen", other === pin);
  place.querySelector("b").textContent = pin.dataset.place;
  place.querySelector("span").textContent = pin.dataset.hours;
}

for (const pin of document.querySelectorAll(".pin")) {
  pin.addEventListener("click", () => choose(pin));
  pin.addEventListener("keydown", (event) => event.key === "Enter" && choose(pin));
}
