/**
 * Addresses that came out of a recording. They are shown as text; one that becomes a link
 * must be http or https, whatever the recording says.
 */

/** The address when a browser may be sent there; null for anything else. */
export function safeHref(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** Host and the rest, to be set apart; the whole text as rest when it is no address. */
export function parts(text: string): { readonly host: string; readonly rest: string } {
  if (safeHref(text) === null) {
    return { host: "", rest: text };
  }
  const url = new URL(text);
  return { host: url.host, rest: `${url.pathname}${url.search}${url.hash}` };
}

/** The page of a recording. */
export function recordingPath(project: string, id: string): string {
  return `/recordings/${encodeURIComponent(project)}/${encodeURIComponent(id)}`;
}

/** Pages of this app; anything else is another place. */
export type Route =
  | { readonly page: "list" }
  | { readonly page: "recording"; readonly project: string; readonly id: string }
  | { readonly page: "projects"; readonly name: string | null }
  | { readonly page: "settings" }
  | { readonly page: "sign-in" }
  | { readonly page: "setup" }
  | { readonly page: "missing" };

export function routeOf(path: string): Route {
  let segments: string[];
  try {
    segments = path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return { page: "missing" };
  }
  const [first, second, third] = segments;
  if (first === undefined) {
    return { page: "list" };
  }
  if (
    first === "recordings" &&
    second !== undefined &&
    third !== undefined &&
    segments.length === 3
  ) {
    return { page: "recording", project: second, id: third };
  }
  if (first === "projects" && segments.length <= 2) {
    return { page: "projects", name: second ?? null };
  }
  if ((first === "settings" || first === "sign-in" || first === "setup") && segments.length === 1) {
    return { page: first };
  }
  return { page: "missing" };
}

/** Where to go after signing in: a path of this server, never another host. */
export function nextPath(text: string | null): string {
  const isOurs =
    text !== null &&
    /^\/(?![/\\])[^\\]*$/.test(text) &&
    // Browsers leave tabs and newlines out of addresses.
    Array.from(text).every((char) => char >= " " && char !== "\u007f");
  return isOurs ? text : "/";
}
