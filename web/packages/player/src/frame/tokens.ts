/**
 * Tokens of CSS, as texts of regular expressions.
 *
 * Nothing in here can fail after a long match (each closing part is optional), so there is
 * no backtracking.
 */

// A string ends at a line end too; a browser that met one inside would read on as CSS.
export const STRING = `"(?:\\\\[\\s\\S]|[^"\\\\\\n\\r\\f])*"?|'(?:\\\\[\\s\\S]|[^'\\\\\\n\\r\\f])*'?`;
export const COMMENT = `\\/\\*[\\s\\S]*?(?:\\*\\/|$)`;
export const URL_TOKEN = `(?:url|src)\\(\\s*(?:${STRING})?[^)]*\\)?`;
