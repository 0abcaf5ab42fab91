/** Times as people read and write them. Everything inside is milliseconds. */

/** `1:02`, `1:02:03`: a place on the player's clock. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = String(total % 60).padStart(2, "0");
  return hours > 0
    ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}`
    : `${minutes}:${seconds}`;
}

/** Read `90`, `1:30` or `1:02:03` as milliseconds; null when it is none of these. */
export function parseClock(text: string): number | null {
  const found = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6})(?:\.(\d{1,3}))?$/.exec(text.trim());
  if (found === null) {
    return null;
  }
  const [, hours = "0", minutes = "0", seconds = "0", fraction = ""] = found;
  return (
    (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000 +
    Number(fraction.padEnd(3, "0"))
  );
}

/** `4 s`, `12 min`, `1 h 20 min`: how long something took. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return seconds % 60 === 0 || minutes >= 10
      ? `${minutes} min`
      : `${minutes} min ${seconds % 60} s`;
  }
  return minutes % 60 === 0
    ? `${Math.floor(minutes / 60)} h`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `just now`, `5 min ago`, `yesterday 14:02`, `23 Nov 2026`: when something was. */
export function ago(atMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - atMs) / 60_000);
  if (minutes < 1) {
    return minutes < -1 ? dateTime(atMs) : "just now";
  }
  if (minutes < 60) {
    return `${minutes} min ago`;
  }
  const at = new Date(atMs);
  const now = new Date(nowMs);
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) {
    return `today ${timeOfDay(at)}`;
  }
  if (days === 1) {
    return `yesterday ${timeOfDay(at)}`;
  }
  return at.getFullYear() === now.getFullYear()
    ? `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${timeOfDay(at)}`
    : at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** Date and time in the viewer's time zone. */
export function dateTime(atMs: number): string {
  const at = new Date(atMs);
  return Number.isNaN(at.getTime())
    ? String(atMs)
    : at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

/** The `#t=` of an address as milliseconds; null without one. */
export function momentOf(hash: string): number | null {
  const found = /(?:^#|&)t=([^&]+)/.exec(hash);
  if (found?.[1] === undefined) {
    return null;
  }
  const text = found[1].replace(/s$/, "");
  return parseClock(text);
}

/** What `momentOf` reads: seconds, to a tenth. */
export function momentHash(ms: number): string {
  return `#t=${Math.max(0, Math.floor(ms / 100)) / 10}`;
}

/** `12.3 kB`, `4 MB`. */
export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[unit] ?? "B"}`;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function timeOfDay(date: Date): string {
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}
