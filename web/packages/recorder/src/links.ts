/** Replay links. */

const PLACEHOLDER = "{session_id}";

/**
 * Link to the replay of a session; null when no template was given.
 *
 * A template without `{session_id}` gets the id as its last path segment.
 */
export function linkTo(
  sessionId: string,
  template: string | ((sessionId: string) => string) | undefined,
): string | null {
  if (template === undefined || template === "") {
    return null;
  }
  if (typeof template === "function") {
    return template(sessionId);
  }
  const id = encodeURIComponent(sessionId);
  return template.includes(PLACEHOLDER)
    ? template.replaceAll(PLACEHOLDER, id)
    : `${template.replace(/\/+$/, "")}/${id}`;
}
