/** Times and findings as a person reads them. */

export function formatTime(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = String(total % 60).padStart(2, "0");
  return hours > 0
    ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}`
    : `${minutes}:${seconds}`;
}

/** For screen readers: "1 minute 5 seconds". */
export function spokenTime(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(total / 3600), "hour"],
    [Math.floor((total % 3600) / 60), "minute"],
    [total % 60, "second"],
  ] as const;
  const spoken = parts
    .filter(([count], i) => count > 0 || (i === 2 && total === 0))
    .map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return spoken.join(" ");
}

/** Host and path of an address; the address itself when it is not one. */
export function shortUrl(url: string): string {
  try {
    const { host, pathname, search, hash } = new URL(url);
    return `${host}${pathname}${search}${hash}`.replace(/\/$/, "");
  } catch {
    return url;
  }
}

/** Findings that tell of a fault, not of how replay works. */
const PROBLEMS: Readonly<Record<string, string>> = {
  event_malformed: "could not be read",
  event_not_applied: "could not be applied",
  event_undecoded: "were stored still compressed",
  snapshot_failed: "are snapshots that could not be drawn",
  tree_too_deep: "had content nested too deeply to draw",
};

const NOTES: Readonly<Record<string, string>> = {
  active_content_removed: "scripts and handlers of the recorded page were removed",
  external_not_fetched: "images, fonts or styles are not part of the recording",
  asset_unreadable: "frozen images, fonts or styles could not be read",
  group_unreadable: "part of the file could not be read",
};

export interface FindingText {
  readonly text: string;
  readonly isProblem: boolean;
}

export function findingText(code: string, count: number): FindingText {
  const problem = PROBLEMS[code];
  if (problem !== undefined) {
    return {
      text: `${count.toLocaleString("en")} ${count === 1 ? "event" : "events"} ${problem}`,
      isProblem: true,
    };
  }
  return {
    text: `${count.toLocaleString("en")} ${NOTES[code] ?? code.replaceAll("_", " ")}`,
    isProblem: code === "group_unreadable" || code === "asset_unreadable",
  };
}
