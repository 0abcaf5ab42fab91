/**
 * One replayer: a stretch of one window's events, from a full snapshot on.
 *
 * rrweb counts time from its first event and stops at its last; both ends are pinned
 * with a Custom event, so offsets always count from the start of the recording and
 * the replayer never ends before the player does.
 */

import { EventType, type ReplayEvent } from "@replayport/types";
import { Replayer } from "rrweb";

import type { Assets } from "./assets";
import { documentText } from "./document";
import { MetaPatch, isUndecoded, type Row } from "./playback";
import { FindingCode, type Report } from "./nodes";
import { Sanitiser } from "./sanitise";

/** How far behind the recording's end the pinned last event lies. */
const BEYOND_END_MS = 86_400_000;
const RESUME_TOLERANCE_MS = 400;

type ReplayerOptions = NonNullable<ConstructorParameters<typeof Replayer>[1]>;

/** Methods of rrweb's Replayer that meet recorded values and must not end the replay. */
const GUARDED = ["applyIncremental", "rebuildFullSnapshot", "moveAndHover"] as const;

export class Take {
  readonly root: HTMLElement;
  readonly #startMs: number;
  readonly #report: Report;
  readonly #replayer: Replayer;
  readonly #sanitiser: Sanitiser;
  readonly #metas = new MetaPatch({ width: 1280, height: 800 });

  constructor(
    parent: HTMLElement,
    startMs: number,
    endMs: number,
    report: Report,
    assets: Assets,
    onSize: (width: number, height: number) => void,
  ) {
    this.#startMs = startMs;
    this.#report = report;
    this.#sanitiser = new Sanitiser(report, assets);
    this.root = parent.ownerDocument.createElement("div");
    this.root.className = "take";
    parent.append(this.root);
    this.#replayer = new Replayer(
      [pin("start", startMs), pin("end", endMs + BEYOND_END_MS)],
      this.#options(),
    );
    this.#replayer.on("resize", (size) => {
      const { width, height } = size as { width: number; height: number };
      onSize(width, height);
    });
    this.#guard();
    this.#takeOverStyles();
  }

  /** Make events harmless and give them to the replayer. */
  feed(rows: readonly Row[]): void {
    for (const row of rows) {
      const data = this.#parse(row);
      if (data === undefined) {
        continue;
      }
      const size = this.#metas.next(row.type, data);
      if (size !== null) {
        this.#add({
          type: EventType.Meta,
          timestamp: row.timestampMs,
          data: { href: "about:blank", ...size },
        });
      }
      const clean = this.#sanitiser.clean(row.type, data);
      if (clean !== null) {
        this.#add({ type: row.type, timestamp: row.timestampMs, data: clean });
      }
    }
  }

  /** Draw everything up to and including `atMs`, then stand still or play on. */
  show(atMs: number, speed: number): void {
    // rrweb draws what is earlier than the offset; the moment itself belongs to it.
    const offsetMs = atMs - this.#startMs + 1;
    if (speed > 0) {
      this.#replayer.setConfig({ speed });
      this.#replayer.play(offsetMs);
    } else {
      this.#replayer.pause(offsetMs);
    }
  }

  /**
   * Play on from a standstill.
   *
   * The two clocks part by some milliseconds; going back by them would make rrweb build
   * the page anew, so the replayer's own moment wins when it is near.
   */
  resume(atMs: number, speed: number): void {
    const ownMs = this.#startMs + this.#replayer.getCurrentTime();
    this.show(Math.abs(ownMs - atMs) < RESUME_TOLERANCE_MS ? ownMs : atMs, speed);
  }

  setSpeed(speed: number): void {
    this.#replayer.setConfig({ speed });
  }

  pause(): void {
    this.#replayer.pause();
  }

  /** The page as it is drawn, written out. */
  text(): string {
    const document = this.#replayer.iframe.contentDocument;
    const mirror = this.#replayer.getMirror();
    // What rrweb adds of its own has no id.
    return document === null ? "" : documentText(document, (node) => !mirror.hasNode(node));
  }

  destroy(): void {
    this.#replayer.destroy();
    this.root.remove();
  }

  #parse(row: Row): unknown {
    if (row.type > EventType.Meta || row.type < EventType.FullSnapshot || row.data === null) {
      return undefined;
    }
    let data: unknown;
    try {
      data = JSON.parse(row.data);
    } catch {
      this.#report(FindingCode.Malformed);
      return undefined;
    }
    if (isUndecoded(row.type, data)) {
      this.#report("event_undecoded");
      return undefined;
    }
    return data;
  }

  #add(event: ReplayEvent): void {
    this.#replayer.addEvent(event);
  }

  #options(): Partial<ReplayerOptions> {
    return {
      root: this.root,
      triggerFocus: false,
      // Written out, because true would let recorded pages run script.
      UNSAFE_replayCanvas: false,
      mouseTail: { duration: 400, lineCap: "round", lineWidth: 2, strokeStyle: "#6d5efc" },
      showWarning: true,
      logger: {
        log: () => undefined,
        warn: () => {
          this.#report("event_not_applied");
        },
      },
    };
  }

  /** Stylesheets come adapted (`hover.ts`); rrweb's own cache is how it is told so. */
  #takeOverStyles(): void {
    const { cache } = this.#replayer as unknown as { cache?: { stylesWithHoverClass?: unknown } };
    if (!(cache?.stylesWithHoverClass instanceof Map)) {
      throw new TypeError("rrweb's Replayer has no cache of styles; this version is not known.");
    }
    cache.stylesWithHoverClass = { get: (text: string) => text, set: () => undefined };
  }

  /** An exception in one event would end rrweb's timer, and with it the whole replay. */
  #guard(): void {
    const methods = this.#replayer as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of GUARDED) {
      const original = methods[name];
      if (original === undefined) {
        throw new TypeError(`rrweb's Replayer has no ${name}; this version cannot be guarded.`);
      }
      methods[name] = (...args) => {
        try {
          return original.apply(this.#replayer, args);
        } catch {
          this.#report(name === "rebuildFullSnapshot" ? "snapshot_failed" : "event_not_applied");
          return undefined;
        }
      };
    }
  }
}

function pin(tag: string, timestamp: number): never {
  return { type: EventType.Custom, timestamp, data: { tag, payload: {} } } as never;
}
