/**
 * `<replayport-player>`: the player as a web component.
 *
 * ```html
 * <replayport-player src="events.parquet" autoplay skip-inactivity></replayport-player>
 * ```
 *
 * Attributes
 *   src              URL of an events.parquet or a bundle; read by HTTP range
 *   inline           id of a `<script type="application/octet-stream">` with the same in base64
 *   assets           URL of the assets.json of `src`; its files are in assets/ beside it
 *   inline-assets    id of a `<script type="application/json">` with both
 *   autoplay         play as soon as the first picture is there
 *   start-ms         where to start, ms since the start of the recording
 *   from-ms, to-ms   show this part of it only; a way of showing, no protection of the rest
 *   speed            0.5 to 8
 *   skip-inactivity  fast-forward through idle time
 *   markers          JSON: [{"offset_ms", "kind", "label"}] to draw besides the recording's own
 *   hide-controls    nothing but the picture; keys and methods still work
 *   theme            "light" or "dark"; the visitor's preference with "auto" or without it
 *   embed            origins whose page may drive this one from around an iframe (`embed.ts`)
 *
 * Properties      currentMs  durationMs  fromMs  toMs  paused  speed  windowId  findings  state
 *                 events (set: rrweb events to play)   markers (set: as the attribute)
 * Methods         play()  pause()  seek(ms)  setSpeed(0.5 to 8)  showWindow(id | null)
 *                 getDocumentHtml()
 *
 * Events (CustomEvent, bubbling, composed; `detail` in brackets)
 *   ready [durationMs, fromMs, toMs, startMs, events]   firstframe   timeupdate [currentMs]
 *   play   pause   ended   state [state, before]   inactivity [active, startMs, endMs, skipping]
 *   finding [code, count]   windowchange [windowId, following]   error [code, message]
 */

import { breathe } from "./breathe";
import { openArchiveBytes, openArchiveUrl } from "./driver/archive";
import type { Driver } from "./driver/driver";
import { openEvents, type InputEvent } from "./driver/events";
import { connectEmbed, originsOf } from "./embed";
import {
  DamagedRecordingError,
  NoFullSnapshotError,
  RecordingChangedError,
  type PlayerError,
} from "./errors";
import { hostMarkersOf, type HostMarker } from "./hostmarkers";
import { HOST_KINDS } from "./ui/markers";
import { fetchAssets, inlineAssets, type Assets } from "./parser/assets";
import { inlineBytes } from "./parser/inline";
import { Session, SPEEDS, type OpenOptions } from "./session";
import { Stage } from "./stage";
import { idleAt, urlAt, type Span } from "./timeline";
import type { State, StateName } from "./transition";
import { findingText, formatTime, shortUrl } from "./ui/format";
import { commandOf, type Command } from "./ui/keys";
import css from "./ui/player.css?inline";
import { Seekbar } from "./ui/seekbar";
import { windowButtons } from "./ui/tabs";
import { ICONS, TEMPLATE } from "./ui/template";

/** `timeupdate` and the clock's text change about this often; the bar moves with every picture. */
const UPDATE_EVERY_MS = 200;
/** Waiting shorter than this is not shown. */
const PATIENCE_MS = 350;
/** A recording that changes more often than this is not opened again by itself. */
const REOPEN_AFTER_MS = 5_000;

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

export class ReplayportPlayer extends HTMLElement {
  static readonly observedAttributes = [
    "src",
    "inline",
    "speed",
    "skip-inactivity",
    "markers",
    "embed",
  ];

  readonly #root = this.attachShadow({ mode: "open" });
  readonly #findings = new Map<string, number>();
  #stage: Stage | null = null;
  #session: Session | null = null;
  #seekbar: Seekbar | null = null;
  #events: readonly InputEvent[] | null = null;
  #frameRequest = 0;
  #updatedAtMs = 0;
  #patience = 0;
  #resumeAfterDrag = false;
  #resumeWhenVisible = false;
  #isStarted = false;
  #markers: readonly HostMarker[] | null = null;
  #idle: Span | null = null;
  /** Between `play` and `pause` or `ended`, whatever is loaded in between. */
  #isPlaying = false;
  /** Whether it was to play when it failed. */
  #failedWhilePlaying = false;
  #reopenedAtMs = -Infinity;
  #disconnectEmbed: () => void = () => undefined;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
  }

  /** rrweb events to play instead of a file. */
  get events(): readonly InputEvent[] | null {
    return this.#events;
  }

  set events(events: readonly InputEvent[] | null) {
    this.#events = events;
    this.#load();
  }

  /** Position in ms since the start of the recording. */
  get currentMs(): number {
    return this.#session?.positionMs(performance.now()) ?? 0;
  }

  get durationMs(): number {
    return this.#session?.durationMs ?? 0;
  }

  /** Where what is shown begins and ends, ms since the start of the recording. */
  get fromMs(): number {
    return this.#session?.fromMs ?? 0;
  }

  get toMs(): number {
    return this.#session?.toMs ?? 0;
  }

  /** What the player is at; see `transition.ts`. */
  get state(): StateName {
    return this.#session?.state.name ?? "idle";
  }

  get speed(): number {
    return this.#session?.speed ?? 1;
  }

  /** 0.5 to 8. */
  set speed(speed: number) {
    this.#session?.setSpeed(speed);
    this.#showSettings();
  }

  /** Moments to point at besides the recording's own; wins over the attribute. */
  get markers(): readonly HostMarker[] {
    return this.#markers ?? this.#markersOfAttribute();
  }

  set markers(markers: readonly HostMarker[] | null) {
    this.#markers = markers;
    this.#showTimeline();
  }

  get paused(): boolean {
    return this.#session?.state.wantsPlay !== true;
  }

  /** Id of the window shown; null before the first picture. */
  get windowId(): string | null {
    return this.#session?.shownWindow ?? null;
  }

  /** Counts of what could not be shown, by code. */
  get findings(): ReadonlyMap<string, number> {
    return this.#findings;
  }

  play(): void {
    this.#session?.play();
  }

  pause(): void {
    this.#session?.pause();
  }

  /** Go to a moment, ms since the start of the recording. */
  seek(targetMs: number): void {
    this.#session?.seek(targetMs);
  }

  setSpeed(speed: number): void {
    this.speed = speed;
  }

  /** Show one window; null follows the one in use. */
  showWindow(windowId: string | null): void {
    this.#session?.chooseWindow(windowId);
  }

  /**
   * Give the page that is drawn just now, as HTML text; empty before the first picture.
   *
   * It is what the sanitiser let through, written out. Show it as text: it is still a page
   * of a stranger, and a document of yours that parses it lends it your origin.
   */
  async getDocumentHtml(): Promise<string> {
    return (await this.#stage?.read()) ?? "";
  }

  connectedCallback(): void {
    this.#isStarted = true;
    this.#connectEmbed();
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#load();
  }

  disconnectedCallback(): void {
    this.#isStarted = false;
    this.#disconnectEmbed();
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#unload();
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    // Of an element that was in the page before its script, the attributes are told one by one
    // before it is connected; to load for each would be to load twice.
    if (!this.#isStarted || before === value) {
      return;
    }
    if (name === "src" || name === "inline") {
      this.#load();
    } else if (name === "markers") {
      this.#showTimeline();
    } else if (name === "embed") {
      this.#connectEmbed();
    } else {
      this.#applySettings();
    }
  }

  /** @param at Where to start, whether to play and what, instead of what the attributes say. */
  #load(at?: Pick<OpenOptions, "startMs" | "autoplay" | "windowId">): void {
    if (!this.#isStarted) {
      return;
    }
    this.#unload();
    this.#render();
    const load = this.#loader();
    if (load === null) {
      this.#showMessage("Nothing to play", "No recording was given to this player.");
      return;
    }
    this.#showBusy("Loading");
    this.#applySettings();
    void this.#session?.open(this.#withAssets(load), {
      autoplay: at?.autoplay ?? this.hasAttribute("autoplay"),
      startMs: at?.startMs ?? this.#msOf("start-ms", 0),
      fromMs: this.#msOf("from-ms", 0),
      toMs: this.#msOf("to-ms", Infinity),
      windowId: at?.windowId ?? null,
    });
    this.#frameRequest = requestAnimationFrame(this.#onFrame);
  }

  #msOf(attribute: string, otherwise: number): number {
    const text = this.getAttribute(attribute) ?? "";
    const ms = text.trim() === "" ? NaN : Number(text);
    return Number.isFinite(ms) && ms >= 0 ? ms : otherwise;
  }

  #markersOfAttribute(): readonly HostMarker[] {
    try {
      const given: unknown = JSON.parse(this.getAttribute("markers") ?? "[]");
      return Array.isArray(given) ? (given as HostMarker[]) : [];
    } catch {
      return [];
    }
  }

  #connectEmbed(): void {
    this.#disconnectEmbed();
    const origins = originsOf(this.getAttribute("embed") ?? "");
    this.#disconnectEmbed =
      origins.length === 0 || window.parent === window
        ? () => undefined
        : connectEmbed(this, window.parent, window, origins);
  }

  #unload(): void {
    cancelAnimationFrame(this.#frameRequest);
    clearTimeout(this.#patience);
    this.#session?.close();
    this.#stage?.destroy();
    this.#seekbar?.destroy();
    this.#session = null;
    this.#stage = null;
    this.#seekbar = null;
    this.#findings.clear();
    this.#idle = null;
    this.#root.replaceChildren();
  }

  /** What to open; null when nothing was given. */
  #loader(): (() => Promise<Driver>) | null {
    const events = this.#events;
    const src = this.getAttribute("src");
    const inline = this.getAttribute("inline");
    if (events !== null) {
      return () => Promise.resolve(openEvents(events));
    }
    if (src !== null) {
      return () =>
        openArchiveUrl(src, (loaded, total) => {
          this.#showProgress(total === null ? null : loaded / total);
        });
    }
    if (inline !== null) {
      return async () => openArchiveBytes(await inlineBytes(this.ownerDocument, inline));
    }
    return null;
  }

  /** Open the recording when what was frozen with it is in the frame. */
  #withAssets(load: () => Promise<Driver>): () => Promise<Driver> {
    return async () => {
      // The frame has a document to load and a program to read; it may begin with that.
      await breathe();
      const stage = this.#stage;
      const [driver] = await Promise.all([load(), this.#loadAssets(stage)]);
      if (driver.readAssets !== undefined) {
        await this.#showAssets(stage, driver.readAssets());
      }
      return driver;
    };
  }

  /** A recording plays without its assets, if less well. */
  async #loadAssets(stage: Stage | null): Promise<void> {
    const url = this.getAttribute("assets");
    const inline = this.getAttribute("inline-assets");
    if (url === null && inline === null) {
      return;
    }
    await this.#showAssets(
      stage,
      inline === null
        ? fetchAssets(new URL(url ?? "", this.ownerDocument.baseURI))
        : inlineAssets(this.ownerDocument, inline),
    );
  }

  async #showAssets(stage: Stage | null, reading: Promise<Assets>): Promise<void> {
    try {
      const { assets, failed } = await reading;
      stage?.assets(assets);
      if (failed > 0) {
        this.#onFinding("asset_unreadable", failed);
      }
    } catch {
      this.#onFinding("asset_unreadable", 1);
    }
  }

  #render(): void {
    const template = document.createElement("template");
    template.innerHTML = TEMPLATE;
    this.#root.append(template.content);
    this.#stage = new Stage(this.#part(".stage"), {
      onFinding: (code, count) => {
        this.#onFinding(code, count);
      },
    });
    this.#session = new Session(this.#stage, {
      onState: (state, before) => {
        this.#onState(state, before);
      },
      onOpened: () => {
        this.#onOpened();
      },
      onFirstFrame: () => {
        this.#emit("firstframe", {});
        this.#tellTime();
      },
      onTimeline: () => {
        this.#showTimeline();
      },
      onWindow: () => {
        this.#showWindows();
        this.#emit("windowchange", {
          windowId: this.#session?.shownWindow ?? null,
          following: this.#session?.chosenWindow === null,
        });
      },
      onFinding: (code, count) => {
        this.#onFinding(code, count);
      },
      onFailed: (error) => {
        this.#onFailed(error);
      },
    });
    this.#seekbar = new Seekbar(this.#part(".seek"), {
      onSeek: (targetMs, isFinal) => {
        this.#onDrag(targetMs, isFinal);
      },
    });
    this.#wire();
  }

  #wire(): void {
    const on = (selector: string, handler: () => void): void => {
      this.#part(selector).addEventListener("click", handler);
    };
    on(".toggle", () => {
      this.#run({ do: "toggle" });
    });
    this.#part(".stage").addEventListener("click", (event) => {
      if (!(event.target as Element).closest(".message:not(.quiet)")) {
        this.#run({ do: "toggle" });
      }
    });
    on(".skip", () => {
      this.#run({ do: "skip" });
    });
    on(".help", () => {
      this.#run({ do: "help" });
    });
    on(".notice", () => {
      this.#run({ do: "help" });
    });
    on(".full", () => {
      this.#run({ do: "fullscreen" });
    });
    const select = this.#partOf(".speed select", HTMLSelectElement);
    select.addEventListener("change", () => {
      this.speed = Number(select.value);
    });
    this.#part(".player").addEventListener("keydown", (event) => {
      this.#onKey(event);
    });
  }

  #applySettings(): void {
    const speed = Number(this.getAttribute("speed"));
    this.#session?.setSpeed(speed > 0 ? speed : 1);
    this.#session?.setSkipsIdle(this.hasAttribute("skip-inactivity"));
    this.#showSettings();
  }

  #showSettings(): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    const select = this.#partOf(".speed select", HTMLSelectElement);
    if (!SPEEDS.includes(session.speed) && select.querySelector(".own") === null) {
      const own = document.createElement("option");
      own.className = "own";
      select.append(own);
    }
    const own = select.querySelector<HTMLOptionElement>(".own");
    if (own !== null && !SPEEDS.includes(session.speed)) {
      own.value = String(session.speed);
      own.textContent = `${session.speed}×`;
    }
    select.value = String(session.speed);
    this.#part(".skip").setAttribute("aria-pressed", String(session.skipsIdle));
  }

  #onOpened(): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    this.#seekbar?.setRange(session.startMs + session.fromMs, session.toMs - session.fromMs);
    this.#part(".total").textContent = formatTime(session.toMs - session.fromMs);
    this.#showTimeline();
    this.#emit("ready", {
      durationMs: session.durationMs,
      fromMs: session.fromMs,
      toMs: session.toMs,
      startMs: session.startMs,
      events: session.eventCount,
    });
  }

  #onState(state: State, before: State): void {
    this.#part(".bottom").inert = state.name === "failed";
    const button = this.#part(".toggle");
    const isOver = state.name === "ended";
    button.innerHTML = isOver ? ICONS.replay : state.wantsPlay ? ICONS.pause : ICONS.play;
    button.setAttribute("aria-label", isOver ? "Play again" : state.wantsPlay ? "Pause" : "Play");
    const isFresh = state.name === "paused" && this.currentMs <= this.fromMs;
    this.#part(".big").hidden = !isFresh;
    this.#part(".skipping").hidden = true;
    clearTimeout(this.#patience);
    if (state.name === "playing" || state.name === "paused" || isOver) {
      this.#part(".message").hidden = true;
    } else if (
      state.name === "buffering" ||
      (state.name === "seeking" && before.name !== "opening")
    ) {
      this.#patience = window.setTimeout(() => {
        this.#showBusy("");
      }, PATIENCE_MS);
    }
    if (state.name !== before.name) {
      this.#emit("state", { state: state.name, before: before.name });
    }
    if (state.name === "failed") {
      this.#failedWhilePlaying = before.wantsPlay;
    }
    const isOn = state.name === "playing" && !this.#isPlaying;
    this.#isPlaying = state.name === "playing" || (this.#isPlaying && state.wantsPlay);
    if (isOn) {
      this.#emit("play", {});
    } else if (before.wantsPlay && !state.wantsPlay && state.name !== "ended") {
      this.#emit("pause", {});
    } else if (state.name === "ended") {
      this.#emit("ended", {});
    }
    this.#showPosition(performance.now());
    if (before.name === "seeking" || isOver) {
      this.#tellTime();
    }
  }

  #tellTime(): void {
    this.#updatedAtMs = performance.now();
    this.#emit("timeupdate", { currentMs: this.currentMs });
    this.#tellIdle();
  }

  /** Say when the person stopped doing anything, and when that is over. */
  #tellIdle(): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    const idle = idleAt(session.timeline.idle, session.startMs + this.currentMs) ?? null;
    if (idle?.startMs === this.#idle?.startMs) {
      return;
    }
    const span = idle ?? this.#idle;
    this.#idle = idle;
    this.#emit("inactivity", {
      active: idle !== null,
      startMs: (span?.startMs ?? 0) - session.startMs,
      endMs: (span?.endMs ?? 0) - session.startMs,
      skipping: idle !== null && session.skipsIdle,
    });
  }

  readonly #onFrame = (nowMs: number): void => {
    this.#frameRequest = requestAnimationFrame(this.#onFrame);
    const session = this.#session;
    if (session?.state.name !== "playing") {
      return;
    }
    session.tick(nowMs);
    const isSkipping = session.pace > session.speed;
    const skipping = this.#part(".skipping");
    skipping.hidden = !isSkipping;
    if (isSkipping) {
      this.#part(".skipping b").textContent = `${Math.round(session.pace)}×`;
    }
    this.#showPosition(nowMs);
    if (nowMs - this.#updatedAtMs > UPDATE_EVERY_MS) {
      this.#tellTime();
    }
  };

  #showPosition(nowMs: number): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    const atMs = session.positionMs(nowMs);
    this.#seekbar?.setPosition(atMs - session.fromMs, session.fedMs() - session.fromMs);
    const time = this.#part(".time b");
    const text = formatTime(atMs - session.fromMs);
    if (time.textContent !== text) {
      time.textContent = text;
    }
    const shown = session.timeline.windows.find(
      (window) => window.windowId === session.shownWindow,
    );
    const url = urlAt(shown, session.startMs + atMs) ?? "";
    const address = this.#part(".address");
    if (address.title !== url) {
      address.title = url;
      this.#part(".url").textContent = shortUrl(url);
    }
  }

  #showTimeline(): void {
    const session = this.#session;
    if (session !== null) {
      const fromMs = session.startMs + session.fromMs;
      const toMs = session.startMs + session.toMs;
      const markers = [
        ...session.markersUnordered,
        ...hostMarkersOf(this.markers, session.startMs),
      ].filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
      for (const kind of HOST_KINDS) {
        const isThere = markers.some((marker) => marker.kind === kind);
        for (const entry of this.#root.querySelectorAll<HTMLElement>(`.legend .${kind}`)) {
          entry.hidden = !isThere;
        }
      }
      this.#seekbar?.setMarkers(markers, session.timeline.idle);
      this.#showWindows();
      this.#showPosition(performance.now());
    }
  }

  #showWindows(): void {
    const session = this.#session;
    const windows = session?.timeline.windows ?? [];
    const tabs = this.#part(".tabs");
    tabs.hidden = windows.length < 2;
    if (session === null || windows.length < 2) {
      return;
    }
    tabs.replaceChildren(
      ...windowButtons(windows, session.shownWindow, session.chosenWindow, (windowId) => {
        session.chooseWindow(windowId);
      }),
    );
  }

  #onFinding(code: string, count: number): void {
    const total = (this.#findings.get(code) ?? 0) + count;
    this.#findings.set(code, total);
    const texts = [...this.#findings].map(([name, sum]) => findingText(name, sum));
    const problems = texts.filter((text) => text.isProblem);
    const notice = this.#part(".notice");
    notice.hidden = problems.length === 0;
    const label = problems.map((problem) => problem.text).join(", ");
    notice.title = label;
    notice.setAttribute("aria-label", label);
    this.#part(".notice span").textContent = String(
      [...this.#findings].reduce(
        (sum, [name, n]) => (findingText(name, n).isProblem ? sum + n : sum),
        0,
      ),
    );
    const panel = this.#part(".findings");
    panel.hidden = false;
    this.#part(".findings ul").replaceChildren(
      ...texts.map((text) => {
        const item = document.createElement("li");
        item.textContent = text.text;
        return item;
      }),
    );
    this.#emit("finding", { code, count });
  }

  #onFailed(error: PlayerError): void {
    clearTimeout(this.#patience);
    const nowMs = performance.now();
    if (error instanceof RecordingChangedError && nowMs - this.#reopenedAtMs > REOPEN_AFTER_MS) {
      this.#reopenedAtMs = nowMs;
      const { speed = 1, skipsIdle = false, chosenWindow = null } = this.#session ?? {};
      this.#load({
        startMs: this.currentMs,
        autoplay: this.#failedWhilePlaying,
        windowId: chosenWindow,
      });
      this.#session?.setSpeed(speed);
      this.#session?.setSkipsIdle(skipsIdle);
      this.#showSettings();
      return;
    }
    this.#showMessage(
      error instanceof NoFullSnapshotError
        ? "Nothing can be drawn"
        : error.code === "empty"
          ? "Empty recording"
          : error instanceof DamagedRecordingError
            ? "This recording is damaged"
            : "The recording could not be played",
      error.message,
    );
    this.#emit("error", { code: error.code, message: error.message });
  }

  #onDrag(offsetMs: number, isFinal: boolean): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    const targetMs = session.fromMs + offsetMs;
    if (session.state.wantsPlay && !isFinal) {
      this.#resumeAfterDrag = true;
      session.pause();
    }
    session.seek(targetMs);
    if (isFinal && this.#resumeAfterDrag) {
      this.#resumeAfterDrag = false;
      session.play();
    }
  }

  #onKey(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    const isButton = target instanceof HTMLElement && target.matches("button, select");
    if (event.ctrlKey || event.metaKey || event.altKey || this.#panel().open) {
      return;
    }
    // A focused button keeps its own space key, a focused list its arrows.
    if (isButton && (event.key === " " || target.matches("select"))) {
      return;
    }
    const command = commandOf(event.key, event.shiftKey);
    if (command !== null) {
      event.preventDefault();
      this.#run(command);
    }
  }

  #run(command: Command): void {
    const session = this.#session;
    if (session === null) {
      return;
    }
    switch (command.do) {
      case "toggle":
        if (session.state.wantsPlay) {
          session.pause();
        } else {
          session.play();
        }
        return;
      case "step":
        session.pause();
        session.seek(this.currentMs + command.byMs);
        return;
      case "move":
        session.seek(this.currentMs + command.byMs);
        return;
      case "start":
        session.seek(session.fromMs);
        return;
      case "end":
        session.seek(session.toMs);
        return;
      case "speed": {
        const at = SPEEDS.findIndex((speed) => speed >= session.speed);
        const next = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + command.by))];
        this.speed = next ?? 1;
        return;
      }
      case "skip":
        session.setSkipsIdle(!session.skipsIdle);
        this.#showSettings();
        return;
      case "fullscreen":
        void (document.fullscreenElement === this
          ? document.exitFullscreen()
          : this.requestFullscreen().catch(() => undefined));
        return;
      case "help":
        this.#panel().showModal();
    }
  }

  readonly #onVisibility = (): void => {
    const session = this.#session;
    if (session === null) {
      return;
    }
    // A hidden tab paints nothing: going on would skip what nobody saw.
    if (document.hidden && session.state.wantsPlay) {
      this.#resumeWhenVisible = true;
      session.pause();
    } else if (!document.hidden && this.#resumeWhenVisible) {
      this.#resumeWhenVisible = false;
      session.play();
    }
  };

  #showBusy(title: string): void {
    this.#showMessage(title, "");
    const message = this.#part(".message");
    message.classList.add("busy");
    message.classList.toggle("quiet", title === "");
  }

  #showProgress(done: number | null): void {
    const message = this.#part(".message");
    message.classList.toggle("counted", done !== null);
    message.style.setProperty("--done", String(done ?? 0));
  }

  #showMessage(title: string, text: string): void {
    const message = this.#part(".message");
    message.className = "message";
    message.hidden = false;
    this.#part(".message strong").textContent = title;
    this.#part(".message p").textContent = text;
  }

  #panel(): HTMLDialogElement {
    return this.#partOf(".panel", HTMLDialogElement);
  }

  #part(selector: string): HTMLElement {
    return this.#partOf(selector, HTMLElement);
  }

  #partOf<T extends HTMLElement>(selector: string, kind: new () => T): T {
    const part = this.#root.querySelector(selector);
    if (!(part instanceof kind)) {
      throw new TypeError(`the player's template has no ${selector}`);
    }
    return part;
  }

  #emit(name: string, detail: Readonly<Record<string, unknown>>): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}
