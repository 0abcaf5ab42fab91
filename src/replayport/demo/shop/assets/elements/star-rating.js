/**
 * `<star-rating value="4.5">` shows stars; with `editable` it asks for them.
 *
 * It lives in a shadow root with a constructed style sheet, as design systems do.
 * An editable one is a form control: `name` and `value` reach the form.
 */
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: inline-flex; gap: 2px; color: var(--star, #e0a32e); vertical-align: -0.15em; }
  svg { width: var(--star-size, 1.05em); height: var(--star-size, 1.05em); }
  .empty { fill: color-mix(in srgb, currentColor 22%, transparent); }
  .full { fill: currentColor; }
  button { all: unset; cursor: pointer; padding: 3px; border-radius: 6px; transition: transform .15s; }
  button:hover { transform: translateY(-2px) rotate(-6deg); }
  button:focus-visible { outline: 2px solid currentColor; }
`);
const STAR = "M12 2.6l2.9 6 6.6.9-4.8 4.6 1.2 6.5-5.9-3.2-5.9 3.2 1.2-6.5-4.8-4.6 6.6-.9z";

export class StarRating extends HTMLElement {
  static formAssociated = true;
  static observedAttributes = ["value"];
  #internals = this.attachInternals();

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
  }

  get value() {
    return Number(this.getAttribute("value") ?? 0);
  }

  connectedCallback() {
    this.#paint();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#paint();
  }

  #paint() {
    const editable = this.hasAttribute("editable");
    const value = this.value;
    this.#internals.setFormValue(String(value));
    if (!editable) {
      this.#internals.role = "img";
      this.#internals.ariaLabel = `${value} of 5 stars`;
    }
    this.shadowRoot.replaceChildren(
      ...[1, 2, 3, 4, 5].map((n) => {
        const fill = Math.max(0, Math.min(1, value - n + 1));
        const holder = document.createElement(editable ? "button" : "span");
        holder.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path class="empty" d="${STAR}"/><path class="full" d="${STAR}" style="clip-path: inset(0 ${100 - fill * 100}% 0 0)"/></svg>`;
        if (editable) {
          holder.type = "button";
          holder.ariaLabel = `${n} of 5`;
          holder.addEventListener("click", () => {
            this.setAttribute("value", String(n));
            this.dispatchEvent(new Event("change", { bubbles: true }));
          });
        }
        return holder;
      }),
    );
  }
}

customElements.define("star-rating", StarRating);
