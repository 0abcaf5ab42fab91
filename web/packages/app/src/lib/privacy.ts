/** A project's recording settings (docs/reference/settings.md) in words. */

export type Line = readonly [what: string, value: string];

const MEANINGS: Readonly<Record<string, (value: unknown) => Line | null>> = {
  enabled: (v) => ["Recording", v === false ? "off" : "on"],
  sample_rate: (v) => ["Share of sessions recorded", `${Math.round(Number(v) * 100)} %`],
  minimum_duration_ms: (v) => [
    "Shortest visit kept",
    Number(v) === 0 ? "any" : `${Number(v) / 1000} s`,
  ],
  mask_inputs: (v) => ["What is typed", v === true ? "masked" : "recorded as it is"],
  mask_text_selector: (v) => [
    "Masked text",
    v === "" ? "none" : v === "*" ? "all text" : `where ${String(v)}`,
  ],
  block_selector: (v) => ["Elements left out", v === "" ? "none" : `where ${String(v)}`],
  mask_attributes: (v) => ["Attributes such as title and alt", v === true ? "masked" : "recorded"],
  console: (v) => ["Console", v === true ? "recorded" : "not recorded"],
  network: (v) => ["Requests", v === true ? "recorded" : "not recorded"],
  network_headers: (v) => ["Headers of requests", v === true ? "recorded" : "not recorded"],
  network_bodies: (v) => ["Bodies of requests", v === true ? "recorded" : "not recorded"],
  canvas_fps: (v) => [
    "Canvases",
    Number(v) === 0 ? "not recorded" : `${String(v)} pictures a second`,
  ],
  canvas_quality: () => null,
  url_triggers: (v) => listed("Starts on addresses like", v),
  url_blocklist: (v) => listed("Pauses on addresses like", v),
  event_triggers: (v) => listed("Starts on events", v),
  trigger_match: () => null,
};

/** Every setting as a line; one this app does not know keeps its own name. */
export function linesOfSettings(settings: Readonly<Record<string, unknown>>): Line[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    const meaning = MEANINGS[name];
    const line: Line | null =
      meaning === undefined
        ? [name.replaceAll("_", " "), typeof value === "string" ? value : JSON.stringify(value)]
        : meaning(value);
    return line === null ? [] : [line];
  });
}

function listed(what: string, value: unknown): Line | null {
  return Array.isArray(value) && value.length > 0 ? [what, value.map(String).join(", ")] : null;
}
