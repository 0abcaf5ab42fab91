import { beforeEach, describe, expect, it } from "vitest";

import { connectEmbed, embedCommandOf, originsOf, type Embeddable } from "../src/embed";

const HOST = "https://shop.example";

class Player extends EventTarget implements Embeddable {
  readonly done: string[] = [];
  #speed = 1;

  get speed(): number {
    return this.#speed;
  }

  set speed(speed: number) {
    this.#speed = speed;
    this.done.push(`speed ${speed}`);
  }

  play(): void {
    this.done.push("play");
  }

  pause(): void {
    this.done.push("pause");
  }

  seek(targetMs: number): void {
    this.done.push(`seek ${targetMs}`);
  }
}

describe("commands", () => {
  it.each([
    [{ replayport: "play" }, { do: "play" }],
    [{ replayport: "pause", value: 3 }, { do: "pause" }],
    [
      { replayport: "seek", value: 1200 },
      { do: "seek", toMs: 1200 },
    ],
    [
      { replayport: "speed", value: 2 },
      { do: "speed", speed: 2 },
    ],
  ])("%j is one", (message, command) => {
    expect(embedCommandOf(message)).toEqual(command);
  });

  it.each([
    null,
    undefined,
    "play",
    7,
    [],
    {},
    { replayport: "src", value: "https://evil.example/" },
    { replayport: "seek" },
    { replayport: "seek", value: "12" },
    { replayport: "seek", value: Infinity },
    { replayport: "speed", value: null },
    { replayport: "getDocumentHtml" },
  ])("%j is none", (message) => {
    expect(embedCommandOf(message)).toBeNull();
  });
});

describe("origins", () => {
  it("are taken exactly, and nothing that is none", () => {
    expect(
      originsOf(`${HOST} https://other.example:8443 shop.example https://x.example/path null`),
    ).toEqual([HOST, "https://other.example:8443"]);
    expect(originsOf("*")).toEqual(["*"]);
    expect(originsOf("  ")).toEqual([]);
  });
});

describe("an embedded player", () => {
  let player: Player;
  let messages: EventTarget;
  let told: [unknown, string][];
  const embedder = {
    postMessage: (message: unknown, origin: string): void => {
      told.push([message, origin]);
    },
  };

  beforeEach(() => {
    player = new Player();
    messages = new EventTarget();
    told = [];
  });

  const say = (data: unknown, origin: string, source: unknown = embedder): void => {
    messages.dispatchEvent(Object.assign(new Event("message"), { data, origin, source }));
  };

  it("obeys the page around it, of a named origin, and nobody else", () => {
    connectEmbed(player, embedder, messages, [HOST]);
    say({ replayport: "seek", value: 5 }, HOST);
    say({ replayport: "speed", value: 4 }, HOST);
    say({ replayport: "play" }, "https://evil.example");
    say({ replayport: "play" }, HOST, {});
    say({ replayport: "unknown" }, HOST);
    expect(player.done).toEqual(["seek 5", "speed 4"]);
  });

  it("tells named origins where it is, and nothing of the page it shows", () => {
    connectEmbed(player, embedder, messages, [HOST, "https://other.example"]);
    const tell = (name: string, detail: object): boolean =>
      player.dispatchEvent(new CustomEvent(name, { detail }));
    tell("timeupdate", { currentMs: 5, url: "https://secret.example/" });
    tell("error", { code: "damaged", message: "secret" });
    tell("windowchange", { windowId: "secret" });
    expect(told).toEqual(
      [
        { replayport: "event", name: "timeupdate", detail: { currentMs: 5 } },
        { replayport: "event", name: "error", detail: { code: "damaged" } },
      ].flatMap((message) => [
        [message, HOST],
        [message, "https://other.example"],
      ]),
    );
  });

  it("is silent and deaf when it is disconnected", () => {
    const disconnect = connectEmbed(player, embedder, messages, ["*"]);
    say({ replayport: "play" }, "https://anybody.example");
    disconnect();
    say({ replayport: "pause" }, "https://anybody.example");
    player.dispatchEvent(new CustomEvent("play", { detail: {} }));
    expect(player.done).toEqual(["play"]);
    expect(told).toEqual([]);
  });
});
