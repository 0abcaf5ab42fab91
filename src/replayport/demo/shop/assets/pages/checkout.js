import { api, bag, dress, escaped, faults, identify, money, toast, track } from "../ui.js";

dress();
const form = document.querySelector(".pay");
const address = form.querySelector(".address");
const error = form.querySelector(".form-error");
const pay = form.querySelector("button[type=submit]");

/** The address fields of a country; Norway writes the postcode first. */
function addressFields(country) {
  const street = '<label class="field">Street and number<input name="street" autocomplete="address-line1" required></label>';
  const town = '<label class="field">Town<input name="town" autocomplete="address-level2" required></label>';
  const postcode = '<label class="field">Postcode<input name="postcode" autocomplete="postal-code" required></label>';
  return `${street}<div class="pair">${country === "IE" ? town + postcode : postcode + town}</div>`;
}

function paintAddress({ keep }) {
  const typed = Object.fromEntries([...address.querySelectorAll("input")].map((input) => [input.name, input.value]));
  address.innerHTML = addressFields(form.country.value);
  if (!keep) return;
  for (const [name, value] of Object.entries(typed)) address.querySelector(`[name=${name}]`).value = value;
}

paintAddress({ keep: false });
form.country.addEventListener("change", () => paintAddress({ keep: true }));
if (faults.has("lost-input")) {
  form.addEventListener("focusin", (event) => {
    if (event.target.name === "card") paintAddress({ keep: false });
  });
}
form.create_account.addEventListener("change", () => {
  form.querySelector(".password").hidden = !form.create_account.checked;
});
form.card.addEventListener("input", () => {
  const digits = form.card.value.replace(/\D/g, "").slice(0, 16);
  form.card.value = digits.replace(/(.{4})(?=.)/g, "$1 ");
});

async function summarise() {
  const priced = await api("cart", { body: { lines: bag.lines() } });
  document.querySelector(".mini-lines").innerHTML =
    priced.lines.map((line) => `<li><span>${line.quantity} × ${escaped(line.name)}</span><b>${money(line.total_cents)}</b></li>`).join("") || "<li>Nothing yet</li>";
  document.querySelector(".summary dl").innerHTML = `<dt>Sending</dt><dd>${priced.delivery_cents ? money(priced.delivery_cents) : "free"}</dd><dt class="total">To pay</dt><dd class="total">${money(priced.total_cents)}</dd>`;
  pay.textContent = `Pay ${money(priced.total_cents)}`;
}
summarise();

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answers = Object.fromEntries(new FormData(form));
  error.textContent = "";
  pay.disabled = true;
  try {
    const order = await api("checkout", {
      body: { lines: bag.lines(), name: answers.name, email: answers.email, street: answers.street, town: answers.town, postcode: answers.postcode, country: answers.country },
    });
    await identify(`customer-${order.order.toLowerCase()}`, { email: answers.email, name: answers.name });
    await track("order placed", { order: order.order, total_cents: order.total_cents, pieces: order.pieces });
    bag.save([]);
    // posthog-js sends $identify at once, and leaving the page would cancel that request.
    await new Promise((resolve) => setTimeout(resolve, 400));
    sessionStorage.setItem("shop_first_name", String(answers.name).split(" ")[0]);
    location.assign(`thanks?order=${order.order}`);
  } catch (failure) {
    pay.disabled = false;
    const missing = failure.detail?.missing ?? [];
    error.textContent = missing.length ? `Still missing: ${missing.join(", ")}.` : "That did not work. Nothing was charged; try again.";
    form.querySelector(`[name=${missing[0]}]`)?.focus();
    console.warn("checkout refused", { status: failure.status, missing });
    toast("Not quite yet");
  }
});
