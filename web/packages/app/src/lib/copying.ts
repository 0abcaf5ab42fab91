/** Put a text where the person can paste it; tells whether it is there. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed without HTTPS: by a selection, as before there was an API for it.
    const field = document.createElement("textarea");
    field.value = text;
    field.setAttribute("readonly", "");
    field.className = "offscreen";
    const host = document.querySelector("dialog[open]") ?? document.body;
    host.append(field);
    field.select();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the one way without HTTPS
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
