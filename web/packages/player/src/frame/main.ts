/**
 * The program inside the frame: takes messages, drives replayers, fits them.
 *
 * It runs behind an opaque origin and a policy without network. Whatever it learns of
 * the outside comes through `protocol.ts`.
 */

import "rrweb/dist/style.css";

import "./frame.css";
import { SLICE_MS, breathe } from "../breathe";
import { Assets } from "./assets";
import { dropRepeats, type Row } from "./playback";
import { asToFrame, type FromFrame, type Rows, type ToFrame } from "./protocol";
import { Take } from "./take";

const assets = new Assets();
const takes = new Map<number, Take>();
const findings = new Map<string, number>();
const work: ToFrame[] = [];
let working = false;
let shown: Take | null = null;
let shownAtSpeed = 0;
let size = { width: 1280, height: 800 };

function send(message: FromFrame): void {
  // The player's own origin is unknown here, and nothing sent is secret.
  window.parent.postMessage(message, "*");
}

function report(code: string, count = 1): void {
  if (findings.size === 0) {
    setTimeout(() => {
      for (const [finding, total] of findings) {
        send({ kind: "finding", code: finding, count: total });
      }
      findings.clear();
    }, 100);
  }
  findings.set(code, (findings.get(code) ?? 0) + count);
}

/** Messages are done one after the other; a long one yields to the browser in between. */
async function workThrough(): Promise<void> {
  if (working) {
    return;
  }
  working = true;
  for (let message = work.shift(); message !== undefined; message = work.shift()) {
    try {
      await handle(message);
    } catch {
      report("event_not_applied");
    }
  }
  working = false;
}

async function handle(message: ToFrame): Promise<void> {
  switch (message.kind) {
    case "assets":
      assets.add(message.assets);
      return;
    case "take": {
      const take = new Take(
        document.body,
        message.startMs,
        message.endMs,
        report,
        assets,
        (width, height) => {
          if (shown === take) {
            resize(width, height);
          } else {
            take.root.dataset["size"] = `${width},${height}`;
          }
        },
      );
      takes.set(message.take, take);
      await feed(take, message.rows);
      return;
    }
    case "append": {
      const take = takes.get(message.take);
      if (take !== undefined) {
        await feed(take, message.rows);
      }
      return;
    }
    case "told":
      send({ kind: "done", request: message.request });
      return;
    case "show": {
      const take = takes.get(message.take);
      if (take !== undefined) {
        show(take, message.atMs, message.speed);
        await painted();
      }
      send({ kind: "drawn", request: message.request });
      return;
    }
    case "pace":
      pace(message.atMs, message.speed);
      return;
    case "read": {
      let text = "";
      try {
        text = shown?.text() ?? "";
      } finally {
        // Whoever asked waits for an answer, whatever happens.
        send({ kind: "page", request: message.request, text });
      }
      return;
    }
    case "drop":
      takes.get(message.take)?.destroy();
      takes.delete(message.take);
  }
}

async function feed(take: Take, rows: Rows): Promise<void> {
  const events = dropRepeats(
    rows.timestampMs.map((timestampMs, i): Row => ({
      timestampMs,
      type: rows.type[i] ?? -1,
      data: rows.data[i] ?? null,
    })),
  );
  let sliceStartMs = performance.now();
  for (const event of events) {
    take.feed([event]);
    if (performance.now() - sliceStartMs > SLICE_MS) {
      await breathe();
      sliceStartMs = performance.now();
    }
  }
  // rrweb takes events in a microtask; after this one they are in its list.
  await Promise.resolve();
}

function show(take: Take, atMs: number, speed: number): void {
  if (shown !== take) {
    shown?.pause();
  }
  const before = shown;
  shown = take;
  shownAtSpeed = speed;
  take.show(atMs, speed);
  const known = take.root.dataset["size"]?.split(",").map(Number);
  if (known !== undefined) {
    delete take.root.dataset["size"];
    resize(known[0] ?? size.width, known[1] ?? size.height);
  } else {
    fit();
  }
  // The new picture is there before the old one goes: no white flash between windows.
  take.root.classList.add("shown");
  if (before !== take) {
    before?.root.classList.remove("shown");
  }
}

function pace(atMs: number, speed: number): void {
  if (shown === null || speed === shownAtSpeed) {
    return;
  }
  if (speed === 0) {
    shown.pause();
  } else if (shownAtSpeed === 0) {
    shown.resume(atMs, speed);
  } else {
    shown.setSpeed(speed);
  }
  shownAtSpeed = speed;
}

function resize(width: number, height: number): void {
  size = { width, height };
  fit();
}

/** Scale the recorded viewport to the frame, never above its own size times two. */
function fit(): void {
  const scale = Math.min(window.innerWidth / size.width, window.innerHeight / size.height, 2);
  if (shown !== null && scale > 0) {
    const left = (window.innerWidth - size.width * scale) / 2;
    const top = (window.innerHeight - size.height * scale) / 2;
    shown.root.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    shown.root.style.width = `${size.width}px`;
    shown.root.style.height = `${size.height}px`;
    document.body.style.setProperty("--pointer-scale", String(1 / Math.max(scale, 0.25)));
  }
}

function painted(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      setTimeout(resolve, 0);
    });
    // A hidden tab paints nothing; the player must not wait for it.
    setTimeout(resolve, 250);
  });
}

window.addEventListener("message", (event: MessageEvent<unknown>) => {
  const message = event.source === window.parent ? asToFrame(event.data) : null;
  if (message === null) {
    return;
  }
  if (message.kind === "pace") {
    // Pausing must not wait behind a large group that is still being read.
    pace(message.atMs, message.speed);
    return;
  }
  work.push(message);
  void workThrough();
});
window.addEventListener("resize", fit);
window.addEventListener("error", (event) => {
  event.preventDefault();
  report("event_not_applied");
});
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
});
send({ kind: "hello" });
