/**
 * What the list is narrowed to, and the address that says so.
 *
 * ```
 * address of the page  ──parse──▶  Filters  ──toQuery──▶  the same address
 *                                     └──────apiQuery──▶  GET /api/recordings
 * ```
 */

import { duration } from "./time";

export const SIGNALS: Readonly<Record<string, string>> = {
  rage_click: "Rage click",
  dead_click: "Dead click",
  error_click: "Error click",
  slow_response: "Slow response",
  thrashed_cursor: "Thrashed cursor",
  quick_back: "Quick back",
  excessive_scroll: "Excessive scroll",
  form_abandonment: "Form abandoned",
  form_refill: "Form refilled",
  repeated_correction: "Repeated correction",
  navigation_loop: "Navigation loop",
  rage_tap: "Rage tap",
  dead_swipe: "Dead swipe",
  blank_screen: "Blank screen",
};

export const ORDERS: readonly (readonly [order: string, label: string])[] = [
  ["-start_ms", "Newest first"],
  ["start_ms", "Oldest first"],
  ["-duration_ms", "Longest first"],
  ["duration_ms", "Shortest first"],
  ["-errors", "Most errors"],
  ["-clicks", "Most clicks"],
  ["-events", "Most events"],
  ["-frustration", "Most frustrated"],
];

export const SINCE: readonly (readonly [value: string, label: string])[] = [
  ["", "Any time"],
  ["1h", "Last hour"],
  ["1d", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
];

export const SEARCHED: readonly (readonly [field: string, label: string])[] = [
  ["urls", "Addresses"],
  ["titles", "Titles"],
  ["console", "Console"],
  ["clicked", "Clicked text"],
];

export interface Filters {
  /** Words; empty for everything. */
  readonly q: string;
  /** Where they are looked for; empty for everywhere. */
  readonly searchIn: readonly string[];
  readonly project: string;
  /** `7d`, or an ISO date; empty for any. */
  readonly since: string;
  readonly until: string;
  readonly minDurationMs: number | null;
  readonly maxDurationMs: number | null;
  readonly person: string;
  readonly url: string;
  readonly minErrors: number | null;
  readonly signals: readonly string[];
  /** 0 to 1. */
  readonly minFrustration: number | null;
  readonly hasLlm: boolean | null;
  readonly tags: readonly string[];
  /** True: those being made only. */
  readonly live: boolean;
  readonly order: string;
}

export const NO_FILTERS: Filters = {
  q: "",
  searchIn: [],
  project: "",
  since: "",
  until: "",
  minDurationMs: null,
  maxDurationMs: null,
  person: "",
  url: "",
  minErrors: null,
  signals: [],
  minFrustration: null,
  hasLlm: null,
  tags: [],
  live: false,
  order: "-start_ms",
};

/** Read the query of the page's address; what makes no sense is left out. */
export function parseFilters(query: URLSearchParams): Filters {
  const order = query.get("order") ?? "";
  const hasLlm = query.get("llm");
  return {
    q: query.get("q") ?? "",
    searchIn: known(
      query.getAll("in"),
      SEARCHED.map(([field]) => field),
    ),
    project: query.get("project") ?? "",
    since: query.get("since") ?? "",
    until: query.get("until") ?? "",
    minDurationMs: whole(query.get("min_duration_ms")),
    maxDurationMs: whole(query.get("max_duration_ms")),
    person: query.get("person") ?? "",
    url: query.get("url") ?? "",
    minErrors: whole(query.get("min_errors")),
    signals: known(query.getAll("signal"), Object.keys(SIGNALS)),
    minFrustration: share(query.get("min_frustration")),
    hasLlm: hasLlm === "yes" ? true : hasLlm === "no" ? false : null,
    tags: query.getAll("tag").filter((tag) => tag !== ""),
    live: query.get("live") === "yes",
    order: ORDERS.some(([name]) => name === order) ? order : NO_FILTERS.order,
  };
}

/** Write them as the query of the page's address: nothing for what is not narrowed. */
export function toQuery(filters: Filters): URLSearchParams {
  const query = shared(filters);
  if (filters.hasLlm !== null) {
    query.set("llm", filters.hasLlm ? "yes" : "no");
  }
  if (filters.live) {
    query.set("live", "yes");
  }
  if (filters.order !== NO_FILTERS.order) {
    query.set("order", filters.order);
  }
  return query;
}

/** Write them as the query of the server's list. */
export function apiQuery(filters: Filters): URLSearchParams {
  const query = shared(filters);
  if (filters.hasLlm !== null) {
    query.set("has_llm", String(filters.hasLlm));
  }
  return query;
}

/** One thing the list is narrowed by, in words, and the filters without it. */
export interface Chip {
  readonly key: string;
  readonly label: string;
  readonly without: Filters;
}

/** Everything the list is narrowed by. */
export function chips(filters: Filters): Chip[] {
  const found: Chip[] = [];
  const add = (key: string, label: string, change: Partial<Filters>): void => {
    found.push({ key, label, without: { ...filters, ...change } });
  };
  if (filters.q !== "") {
    add("q", `“${filters.q}”`, { q: "", searchIn: [] });
  }
  if (filters.project !== "") {
    add("project", `Project ${filters.project}`, { project: "" });
  }
  if (filters.since !== "") {
    const known = SINCE.find(([value]) => value === filters.since);
    add("since", known?.[1] ?? `From ${filters.since}`, { since: "" });
  }
  if (filters.until !== "") {
    add("until", `Before ${filters.until}`, { until: "" });
  }
  if (filters.minDurationMs !== null) {
    add("min_duration", `At least ${duration(filters.minDurationMs)}`, { minDurationMs: null });
  }
  if (filters.maxDurationMs !== null) {
    add("max_duration", `At most ${duration(filters.maxDurationMs)}`, { maxDurationMs: null });
  }
  if (filters.person !== "") {
    add("person", `Person ${filters.person}`, { person: "" });
  }
  if (filters.url !== "") {
    add("url", `Visited ${filters.url}`, { url: "" });
  }
  if (filters.minErrors !== null) {
    const n = filters.minErrors;
    add("errors", n === 1 ? "With errors" : `At least ${n} errors`, { minErrors: null });
  }
  for (const signal of filters.signals) {
    add(`signal ${signal}`, SIGNALS[signal] ?? signal, {
      signals: filters.signals.filter((other) => other !== signal),
    });
  }
  if (filters.minFrustration !== null) {
    add("frustration", `Frustration ${Math.round(filters.minFrustration * 100)} or more`, {
      minFrustration: null,
    });
  }
  if (filters.hasLlm !== null) {
    add("llm", filters.hasLlm ? "With LLM trace" : "Without LLM trace", { hasLlm: null });
  }
  for (const tag of filters.tags) {
    add(`tag ${tag}`, `#${tag}`, { tags: filters.tags.filter((other) => other !== tag) });
  }
  if (filters.live) {
    add("live", "Live now", { live: false });
  }
  return found;
}

function shared(filters: Filters): URLSearchParams {
  const query = new URLSearchParams();
  const set = (name: string, value: string | number | null): void => {
    if (value !== null && value !== "") {
      query.set(name, String(value));
    }
  };
  set("q", filters.q);
  for (const field of filters.searchIn) {
    query.append("in", field);
  }
  set("project", filters.project);
  set("since", filters.since);
  set("until", filters.until);
  set("min_duration_ms", filters.minDurationMs);
  set("max_duration_ms", filters.maxDurationMs);
  set("person", filters.person);
  set("url", filters.url);
  set("min_errors", filters.minErrors);
  for (const signal of filters.signals) {
    query.append("signal", signal);
  }
  set("min_frustration", filters.minFrustration);
  for (const tag of filters.tags) {
    query.append("tag", tag);
  }
  return query;
}

function known(values: readonly string[], names: readonly string[]): string[] {
  return names.filter((name) => values.includes(name));
}

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function share(text: string | null): number | null {
  const value = text === null || text === "" ? NaN : Number(text);
  return value >= 0 && value <= 1 ? value : null;
}
