/** The buttons that switch between the windows of a recording. */

import type { WindowSummary } from "../timeline";

/**
 * Make a button a window, and one that follows whichever is in use.
 *
 * @param chosen The window somebody chose; null while the one in use is followed.
 * @param onChoose Called with a window's id, or null to follow.
 */
export function windowButtons(
  windows: readonly WindowSummary[],
  shown: string | null,
  chosen: string | null,
  onChoose: (windowId: string | null) => void,
): HTMLButtonElement[] {
  const buttons = windows.map((window, i) => {
    const canDraw = window.fullSnapshotsMs.length > 0;
    const button = buttonOf(`Window ${i + 1}`, () => {
      onChoose(window.windowId);
    });
    button.setAttribute("aria-current", String(window.windowId === shown));
    button.disabled = !canDraw;
    button.title = canDraw
      ? (window.urls[0]?.url ?? "")
      : "This window has no full snapshot, it cannot be drawn";
    return button;
  });
  const follow = buttonOf("Follow", () => {
    onChoose(chosen === null ? shown : null);
  });
  follow.className = "auto";
  follow.title = "Always show the window in use";
  follow.setAttribute("aria-pressed", String(chosen === null));
  return [...buttons, follow];
}

function buttonOf(label: string, onClick: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", onClick);
  return button;
}
