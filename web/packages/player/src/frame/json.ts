/** Small checks of JSON values whose shape nobody vouches for. */

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function boolean(value: unknown): boolean | null {
  return typeof value === "boolean" ? value : null;
}

export function string(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Those of `names` that are there and of the right type. */
export function present(
  from: Json,
  names: readonly string[],
  as: (value: unknown) => unknown,
): Json {
  const clean: Json = {};
  for (const name of names) {
    const value = Object.hasOwn(from, name) ? as(from[name]) : null;
    if (value !== null) {
      clean[name] = value;
    }
  }
  return clean;
}
