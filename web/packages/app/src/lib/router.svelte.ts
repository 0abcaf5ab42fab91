/** The address as state: the page shown follows it, back and forward included. */

class Place {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));

  constructor() {
    addEventListener("popstate", () => {
      this.read();
    });
    document.addEventListener("click", (event) => {
      this.follow(event);
    });
  }

  /** Go to a path of this app. */
  go(to: string, how: "push" | "replace" = "push"): void {
    if (how === "push") {
      history.pushState(null, "", to);
      scrollTo(0, 0);
    } else {
      history.replaceState(null, "", to);
    }
    this.read();
  }

  private read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }

  /** Links within the app need no new page. */
  private follow(event: MouseEvent): void {
    const at = event.target instanceof Element ? event.target.closest("a") : null;
    if (
      at === null ||
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey ||
      at.target !== "" ||
      at.hasAttribute("download") ||
      at.origin !== location.origin ||
      !at.hasAttribute("data-app")
    ) {
      return;
    }
    event.preventDefault();
    this.go(at.pathname + at.search + at.hash);
  }
}

export const place = new Place();
