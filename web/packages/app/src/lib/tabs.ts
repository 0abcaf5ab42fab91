/** Tabs of the inspector, in order. */
export const TABS = [
  ["actions", "Actions"],
  ["console", "Console"],
  ["network", "Network"],
  ["analytics", "Events"],
  ["llm", "LLM"],
  ["dom", "DOM"],
  ["raw", "Raw"],
  ["notes", "Notes"],
  ["about", "About"],
] as const;

export type TabName = (typeof TABS)[number][0];
