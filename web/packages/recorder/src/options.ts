/** What a page may set, and what holds when it does not. */

import type { Finding } from "./findings";

/** Milliseconds to wait between two events of a type. */
export type ThrottleMs = Readonly<Record<string, number>>;

export interface RecorderOptions {
  /** Server to upload to, such as `https://replays.example.com`. Without it all stays here. */
  readonly host?: string;
  /** Project token; needed to upload. */
  readonly token?: string;
  /** Who is recorded; an anonymous id kept in the browser when not given. */
  readonly distinctId?: string;
  /** Template with `{session_id}`, or a function of the id; for `onSessionId`. */
  readonly replayUrl?: string | ((sessionId: string) => string);
  /** Called when recording starts and each time the session changes. */
  readonly onSessionId?: (sessionId: string, replayUrl: string | null) => void;
  /** Called for everything that goes wrong; nothing is thrown. */
  readonly onFinding?: (finding: Finding) => void;
  /** Do not record visitors who send Do Not Track or Global Privacy Control. */
  readonly respectDoNotTrack?: boolean;

  /** Mask what is typed into any field. Passwords and cards are masked in any case. */
  readonly maskAllInputs?: boolean;
  /** Elements of this class are recorded as an empty box. */
  readonly blockClass?: string;
  readonly blockSelector?: string;
  /** Text inside elements of this class is masked. */
  readonly maskTextClass?: string;
  readonly maskTextSelector?: string;
  /** Typing into fields of this class is not recorded. */
  readonly ignoreClass?: string;
  readonly ignoreSelector?: string;
  /** Names of secrets besides password, card, token, ssn and the like. */
  readonly sensitiveKeys?: readonly string[];

  /** Shortest time between two events of a type given to `addEvent`. */
  readonly throttleMs?: ThrottleMs;
  readonly recordCanvas?: boolean;

  readonly idleTimeoutMs?: number;
  readonly maxSessionMs?: number;
  /** Without activity for this long, nothing is recorded until the next activity. */
  readonly idleThresholdMs?: number;
  readonly fullSnapshotIntervalMs?: number;
  /** How long events stay in memory before they are in the database. */
  readonly flushIntervalMs?: number;
  readonly uploadIntervalMs?: number;
  readonly retryDelayMs?: number;
  /** Room for recordings of this site; then uploaded ones are deleted, oldest first. */
  readonly maxStorageBytes?: number;
  /** How long uploaded recordings stay in the browser. */
  readonly keepUploadedMs?: number;
}

export interface PlayOptions {
  /** The page's own `<replayport-player>`; one is made when not given. */
  readonly player?: HTMLElement;
  /** Where a player that is made is put; the end of the body when not given. */
  readonly container?: Element;
  /** Address of `player.js`, for pages that have not loaded it. */
  readonly playerUrl?: string;
}

export const DEFAULTS = {
  maskAllInputs: true,
  blockClass: "ph-no-capture",
  maskTextClass: "ph-mask",
  ignoreClass: "ph-ignore-input",
  idleTimeoutMs: 30 * 60_000,
  maxSessionMs: 24 * 3_600_000,
  idleThresholdMs: 5 * 60_000,
  fullSnapshotIntervalMs: 5 * 60_000,
  flushIntervalMs: 500,
  uploadIntervalMs: 3000,
  retryDelayMs: 3000,
  maxStorageBytes: 100 * 2 ** 20,
  keepUploadedMs: 7 * 24 * 3_600_000,
} as const;
