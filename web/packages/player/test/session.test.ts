import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Driver } from "../src/driver/driver";
import {
  DamagedRecordingError,
  NoFullSnapshotError,
  RecordingChangedError,
  type PlayerError,
} from "../src/errors";
import type { Rows } from "../src/frame/protocol";
import { Session } from "../src/session";
import type { Screen } from "../src/stage";

const GROUP_MS = 20_000;

interface Row {
  readonly atMs: number;
  readonly type: number;
  readonly windowId?: string;
  readonly source?: number;
  readonly kind?: string;
  readonly text?: string;
}

/** A driver whose groups arrive when a test says so. */
class HandDriver implements Driver {
  isAtHand = true;
  readonly spans;
  readonly asked = new Set<number>();
  readonly held = new Set<number>();
  readonly #release = new Map<number, () => void>();

  constructor(readonly groups: readonly (readonly Row[])[]) {
    this.spans = groups.map((rows) => ({
      startMs: rows[0]!.atMs,
      endMs: rows.at(-1)!.atMs,
      events: rows.length,
    }));
  }

  readIndex(group: number): ReturnType<Driver["readIndex"]> {
    const rows = this.groups[group]!;
    return Promise.resolve({
      rowStart: 0,
      timestampMs: rows.map((row) => row.atMs),
      windowId: rows.map((row) => row.windowId ?? "a"),
      type: rows.map((row) => row.type),
      source: rows.map((row) => row.source ?? null),
      kind: rows.map((row) => row.kind ?? ""),
      url: rows.map(() => null),
    });
  }

  async readData(group: number): ReturnType<Driver["readData"]> {
    this.asked.add(group);
    if (this.held.has(group)) {
      await new Promise<void>((resolve) => this.#release.set(group, resolve));
    }
    return { data: this.groups[group]!.map((row) => row.text ?? String(row.atMs)) };
  }

  release(group: number): void {
    this.held.delete(group);
    this.#release.get(group)?.();
  }
}

/** A stage that notes what it was told. */
class Notes implements Screen {
  readonly said: string[] = [];
  #takes = 0;

  take(_startMs: number, _endMs: number, rows: Rows): number {
    this.#takes += 1;
    this.said.push(`take ${this.#takes}: ${String(rows.data)}`);
    return this.#takes;
  }

  append(take: number, rows: Rows): void {
    this.said.push(`append ${take}: ${String(rows.data)}`);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  show(take: number, atMs: number): Promise<void> {
    this.said.push(`show ${take} at ${atMs}`);
    return Promise.resolve();
  }

  pace(speed: number): void {
    this.said.push(`pace ${speed}`);
  }

  drop(take: number): void {
    this.said.push(`drop ${take}`);
  }
}

/** Groups of 20 s: a Meta and a full snapshot in the first, something every 5 s. */
function groups(count: number): Row[][] {
  return Array.from({ length: count }, (_, group) =>
    [0, 1, 5_000, 10_000, 15_000].map((offset, i) => ({
      atMs: group * GROUP_MS + offset,
      type: group === 0 && i < 2 ? [4, 2][i]! : 3,
      ...(group === 0 && i < 2 ? {} : { source: 1 }),
    })),
  );
}

describe("Session", () => {
  let notes: Notes;
  let failure: PlayerError | null;

  beforeEach(() => {
    vi.useFakeTimers();
    notes = new Notes();
    failure = null;
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  const sessionOf = (): Session =>
    new Session(notes, {
      onState: () => undefined,
      onOpened: () => undefined,
      onFirstFrame: () => undefined,
      onTimeline: () => undefined,
      onWindow: () => undefined,
      onFinding: () => undefined,
      onFailed: (error) => {
        failure = error;
      },
    });

  /** Let everything that waits for nothing happen. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i += 1) {
      await Promise.resolve();
    }
  };

  const open = async (driver: Driver, autoplay = false): Promise<Session> => {
    const session = sessionOf();
    void session.open(() => Promise.resolve(driver), { autoplay, startMs: 0 });
    await settle();
    return session;
  };

  const playFor = async (session: Session, ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      vi.advanceTimersByTime(100);
      session.tick(performance.now());
      await settle();
    }
  };

  it("draws the first picture before it sends what follows it", async () => {
    const session = await open(new HandDriver(groups(1)));
    expect(notes.said).toEqual(["take 1: 0,1", "show 1 at 1", "append 1: 5000,10000,15000"]);
    expect(session.state.name).toBe("paused");
  });

  it("plays, asks ahead, and ends", async () => {
    const driver = new HandDriver(groups(2));
    const session = await open(driver, true);
    expect(session.state.name).toBe("playing");
    await playFor(session, 9_000);
    expect([...driver.asked]).toEqual([0]);
    await playFor(session, 3_000);
    expect([...driver.asked]).toEqual([0, 1]);
    expect(session.positionMs(performance.now())).toBe(12_000);
    await playFor(session, 30_000);
    expect(session.state.name).toBe("ended");
    expect(notes.said.at(-1)).toBe("show 1 at 35000");
  });

  it("stands still while events are missing, and goes on from there", async () => {
    const driver = new HandDriver(groups(2));
    driver.held.add(1);
    const session = await open(driver, true);
    await playFor(session, 25_000);
    expect(session.state.name).toBe("buffering");
    const stoodAtMs = session.positionMs(performance.now());
    expect(stoodAtMs).toBeGreaterThanOrEqual(20_000);
    expect(stoodAtMs).toBeLessThan(20_200);
    driver.release(1);
    await settle();
    expect(session.state.name).toBe("playing");
    expect(notes.said.at(-1)).toBe("pace 1");
    await playFor(session, 1_000);
    expect(session.positionMs(performance.now())).toBeCloseTo(stoodAtMs + 1_000, 0);
  });

  it("makes only the newest of many seeks", async () => {
    const driver = new HandDriver(groups(3));
    const session = await open(driver);
    driver.held.add(1);
    session.seek(25_000);
    await settle();
    session.seek(5_000);
    session.seek(55_000);
    session.seek(12_000);
    driver.release(1);
    await settle();
    expect(session.state.name).toBe("paused");
    expect(notes.said.filter((said) => said.startsWith("show"))).toEqual([
      "show 1 at 1",
      "show 1 at 12000",
    ]);
  });

  it("sends each row once, however often one seeks", async () => {
    const driver = new HandDriver(groups(3));
    const session = await open(driver);
    for (const targetMs of [50_000, 5_000, 45_000, 25_000]) {
      session.seek(targetMs);
      await settle();
    }
    const sent = notes.said
      .filter((said) => /^(?:take|append) 1: /.test(said))
      .flatMap((said) => said.split(": ")[1]!.split(","));
    expect(sent).toEqual(groups(3).flatMap((rows) => rows.map(({ atMs }) => String(atMs))));
    expect(notes.said.filter((said) => said.startsWith("take"))).toHaveLength(1);
  });

  it("starts a new stretch at a snapshot far ahead, and drops the old one", async () => {
    const far = groups(4);
    far[3] = [
      { atMs: 60_000, type: 4 },
      { atMs: 60_001, type: 2 },
      { atMs: 65_000, type: 3, source: 1 },
    ];
    const driver = new HandDriver(far);
    const session = await open(driver);
    session.seek(65_000);
    await settle();
    expect([...driver.asked]).toEqual([0, 3]);
    expect(notes.said.slice(-2)).toEqual(["show 2 at 65000", "drop 1"]);
    expect(notes.said.some((said) => said.includes("20000"))).toBe(false);
  });

  it("follows the window in use while it plays", async () => {
    const driver = new HandDriver([
      [
        { atMs: 0, type: 4 },
        { atMs: 1, type: 2 },
        { atMs: 100, type: 4, windowId: "b" },
        { atMs: 101, type: 2, windowId: "b" },
        { atMs: 2_000, type: 3, source: 2, windowId: "b" },
        { atMs: 4_000, type: 3, source: 2 },
        { atMs: 6_000, type: 3, source: 2 },
      ],
    ]);
    const session = await open(driver, true);
    expect(session.shownWindow).toBe("a");
    await playFor(session, 2_500);
    expect(session.shownWindow).toBe("b");
    expect(session.state.name).toBe("playing");
    await playFor(session, 2_500);
    expect(session.shownWindow).toBe("a");
    session.chooseWindow("b");
    await settle();
    await playFor(session, 500);
    expect(session.shownWindow).toBe("b");
  });

  it("passes idle time fast when asked to", async () => {
    const driver = new HandDriver([
      [
        { atMs: 0, type: 4 },
        { atMs: 1, type: 2 },
        { atMs: 1_000, type: 3, source: 2 },
        { atMs: 300_000, type: 3, source: 2 },
        { atMs: 301_000, type: 3, source: 2 },
      ],
    ]);
    const session = await open(driver, true);
    session.setSkipsIdle(true);
    await playFor(session, 12_000);
    expect(session.state.name).toBe("ended");
  });

  it("shows no more than the part it is told to", async () => {
    const session = sessionOf();
    void session.open(() => Promise.resolve(new HandDriver(groups(3))), {
      autoplay: true,
      startMs: 0,
      fromMs: 12_000,
      toMs: 16_000,
    });
    await settle();
    expect(session.positionMs(performance.now())).toBe(12_000);
    session.seek(3_000);
    await settle();
    expect(session.positionMs(performance.now())).toBe(12_000);
    await playFor(session, 5_000);
    expect(session.state.name).toBe("ended");
    expect(session.positionMs(performance.now())).toBe(16_000);
    expect(notes.said.at(-1)).toBe("show 1 at 16000");
    expect(notes.said.some((said) => said.includes("40000"))).toBe(false);
    session.play();
    await settle();
    expect(session.positionMs(performance.now())).toBe(12_000);
    session.seek(1e9);
    await settle();
    expect(session.positionMs(performance.now())).toBe(16_000);
  });

  it("takes limits beyond the recording for its ends", async () => {
    const session = sessionOf();
    void session.open(() => Promise.resolve(new HandDriver(groups(1))), {
      autoplay: false,
      startMs: 5_000,
      fromMs: -3,
      toMs: 1e12,
    });
    await settle();
    expect([session.fromMs, session.toMs]).toEqual([0, 15_000]);
  });

  it("begins a new stretch at a full snapshot when the old one is long, and drops that", async () => {
    const long = "x".repeat(5 << 20);
    const driver = new HandDriver(
      [0, 1, 2, 3].map((group) => [
        { atMs: group * GROUP_MS, type: 4 },
        { atMs: group * GROUP_MS + 1, type: 2, text: long },
        { atMs: group * GROUP_MS + 9_000, type: 3, source: 1 },
        { atMs: group * GROUP_MS + 19_000, type: 3, source: 1 },
      ]),
    );
    const session = await open(driver, true);
    await playFor(session, 79_500);
    const said = notes.said.map((line) => line.replaceAll(long, "long"));
    expect(session.state.name).toBe("ended");
    // Two groups make a stretch; never are there more than two.
    expect(said.filter((line) => line.startsWith("take"))).toHaveLength(2);
    expect(said.filter((line) => line.startsWith("drop"))).toEqual(["drop 1"]);
    expect(said.join("\n")).toMatch(/show 2 at 40[01]\d\d/);
    session.seek(10_000);
    await settle();
    expect(notes.said.slice(-2)).toEqual(["drop 2", expect.stringContaining("append 3")]);
  });

  it("plays up to rows that cannot be read before it says so", async () => {
    const driver = new HandDriver(groups(2));
    const readData = driver.readData.bind(driver);
    driver.readData = (group) =>
      group === 0 ? readData(group) : Promise.reject(new DamagedRecordingError("no"));
    const session = await open(driver, true);
    await playFor(session, 15_000);
    expect(session.state.name).toBe("playing");
    await playFor(session, 6_000);
    expect(session.state.name).toBe("failed");
    expect(failure).toBeInstanceOf(DamagedRecordingError);
  });

  it("says at once that it is another recording now, whatever it reads", async () => {
    const consoleRows = groups(4).map((rows) => rows.map((row) => ({ ...row, kind: "console" })));
    const [indexes, texts] = [new HandDriver(consoleRows), new HandDriver(consoleRows)];
    const changed = (group: number): Promise<never> | null =>
      group < 3 ? null : Promise.reject(new RecordingChangedError());
    const [readIndex, readData] = [indexes.readIndex.bind(indexes), texts.readData.bind(texts)];
    indexes.readIndex = (group) => changed(group) ?? readIndex(group);
    texts.readData = (group) => changed(group) ?? readData(group);
    const ahead = new HandDriver(groups(2));
    ahead.isAtHand = false;
    ahead.readData = (group) =>
      group === 0 ? readData(group) : Promise.reject(new RecordingChangedError());
    for (const driver of [indexes, texts, ahead]) {
      failure = null;
      const session = await open(driver, true);
      await playFor(session, GROUP_MS - 5_000);
      expect(session.state.name).toBe("failed");
      expect(failure).toBeInstanceOf(RecordingChangedError);
    }
  });

  it("plays on when the timeline alone could not be read to its end", async () => {
    const driver = new HandDriver(groups(4));
    const readIndex = driver.readIndex.bind(driver);
    driver.readIndex = (group) =>
      group < 3 ? readIndex(group) : Promise.reject(new DamagedRecordingError("no"));
    const session = await open(driver, true);
    expect(session.state.name).toBe("playing");
    expect(failure).toBeNull();
  });

  it("seeks to where it is told while it opens, within what there is", async () => {
    for (const [targetMs, isAtMs] of [
      [12_000, 12_000],
      [10 ** 9, 2 * GROUP_MS - 5_000],
      [-5, 0],
    ] as const) {
      const session = sessionOf();
      void session.open(() => Promise.resolve(new HandDriver(groups(2))), {
        autoplay: false,
        startMs: 3_000,
      });
      session.seek(targetMs);
      expect(session.state.name).toBe("opening");
      await settle();
      expect(session.state.name).toBe("paused");
      expect(session.positionMs(performance.now())).toBe(isAtMs);
    }
  });

  it("opens with the window it is told to show", async () => {
    const inTwo = groups(2).map((rows) =>
      rows.flatMap((row) => [
        { ...row, windowId: "a" },
        { ...row, windowId: "b" },
      ]),
    );
    for (const [windowId, shown] of [
      ["a", "a"],
      ["b", "b"],
      ["gone", "a"],
    ] as const) {
      const session = sessionOf();
      const options = { autoplay: false, startMs: 0, windowId };
      void session.open(() => Promise.resolve(new HandDriver(inTwo)), options);
      await settle();
      expect(session.chosenWindow).toBe(windowId);
      expect(session.shownWindow).toBe(shown);
    }
  });

  it("tells of console errors of what it read, where reading is a request", async () => {
    const errorOf = (text: string): string =>
      JSON.stringify({ payload: { level: "error", payload: [text] } });
    const driver = new HandDriver(
      groups(2).map((rows, group) => [
        ...rows,
        { atMs: group * GROUP_MS + 16_000, type: 6, kind: "console", text: errorOf(`${group}`) },
      ]),
    );
    driver.isAtHand = false;
    const session = await open(driver, true);
    const labels = (): string[] => session.markersUnordered.map(({ label }) => label);
    await settle();
    expect(labels()).toEqual(["0"]);
    await playFor(session, 12_000);
    expect(labels()).toEqual(["0", "1"]);
    expect([...driver.asked]).toEqual([0, 1]);
  });

  it("says that nothing can be drawn", async () => {
    const session = await open(new HandDriver([[{ atMs: 0, type: 4 }]]));
    expect(session.state.name).toBe("failed");
    expect(failure).toBeInstanceOf(NoFullSnapshotError);
  });
});
