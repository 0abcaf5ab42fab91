/** Keys of a page are not for somebody who is typing. */

export function isTyping(event: KeyboardEvent): boolean {
  const at = event.composedPath()[0];
  return (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.isComposing ||
    (at instanceof HTMLElement &&
      (at.isContentEditable || at.matches("input, textarea, select, [role=combobox]")))
  );
}

/** A dialog is open: keys are its. */
export function isDialogOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
