// The work PostHog's player does to a recording's v2 blocks, in Node, timed on demand.
//
//   bytes --snappy--> text --split--> lines --JSON.parse--> events
//     --gunzip + JSON.parse of compressed fields--> --sort--> --drop repeats--> events
//
// Two sets of libraries:
//   player   snappy-wasm and fflate: what PostHog's player uses
//   native   snappy (native addon) and node:zlib: the fastest there is for Node
//
// Reads commands, one JSON a line, and answers each with one JSON line:
//   {"do": "load", "index": path, "data": path}      -> {"recordings": n}
//   {"do": "run", "libraries": "player"|"native", "write": folder|null}
//                                                    -> {"seconds", "cpu_seconds", "events", "kept", "written"}
//
// "write" adds what an archive costs at least: the events as JSON lines, zstd level 3, a
// file a recording.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { constants, gunzipSync, zstdCompressSync } from "node:zlib";
import { decompressSync, strFromU8, strToU8 } from "fflate";

const require = createRequire(import.meta.url);
const { decompress_raw } = require("snappy-wasm");
const nativeSnappy = require("snappy");

const FULL_SNAPSHOT = 2;
const INCREMENTAL = 3;
const MUTATION = 0;
const STYLE_SHEET_RULE = 8;
const MUTATION_FIELDS = ["texts", "attributes", "removes", "adds"];
const RULE_FIELDS = ["adds", "removes"];

const LIBRARIES = {
  player: {
    text: (block) => new TextDecoder().decode(decompress_raw(block)),
    inflate: (field) => strFromU8(decompressSync(strToU8(field, true))),
  },
  native: {
    text: (block) => nativeSnappy.uncompressSync(block, { asBuffer: true }).toString("utf8"),
    inflate: (field) => gunzipSync(Buffer.from(field, "latin1")).toString("utf8"),
  },
};

function decodeFields(data, names, inflate) {
  const out = { ...data };
  for (const name of names) {
    if (typeof out[name] === "string") out[name] = out[name] ? JSON.parse(inflate(out[name])) : undefined;
  }
  return out;
}

function decodeEvent(event, inflate) {
  if (event.cv !== "2024-10") return event;
  if (event.type === FULL_SNAPSHOT && typeof event.data === "string") {
    return { ...event, data: JSON.parse(inflate(event.data)) };
  }
  if (event.type === INCREMENTAL && typeof event.data === "object") {
    if (event.data.source === MUTATION && "texts" in event.data) {
      return { ...event, data: decodeFields(event.data, MUTATION_FIELDS, inflate) };
    }
    if (event.data.source === STYLE_SHEET_RULE) {
      return { ...event, data: decodeFields(event.data, RULE_FIELDS, inflate) };
    }
  }
  return event;
}

function decode(blocks, { text, inflate }) {
  const events = [];
  for (const block of blocks) {
    for (const line of text(block).split("\n")) {
      if (!line) continue;
      const [windowId, event] = JSON.parse(line);
      const decoded = decodeEvent(event, inflate);
      decoded.windowId = windowId;
      events.push(decoded);
    }
  }
  return events;
}

// Of events with one timestamp: immediate repeats go, then, where the rest repeats a
// shorter run as a whole, all but the first of it.
function dropRepeats(events) {
  const kept = [];
  let start = 0;
  while (start < events.length) {
    let end = start + 1;
    while (end < events.length && events[end].timestamp === events[start].timestamp) end += 1;
    if (end === start + 1) {
      kept.push(events[start]);
    } else {
      const run = [];
      const keys = [];
      for (let i = start; i < end; i += 1) {
        const { delay: _, ...rest } = events[i];
        const key = JSON.stringify(rest);
        if (key !== keys[keys.length - 1]) {
          run.push(events[i]);
          keys.push(key);
        }
      }
      kept.push(...run.slice(0, period(keys)));
    }
    start = end;
  }
  return kept;
}

function period(keys) {
  for (let length = 1; length <= keys.length / 2; length += 1) {
    if (keys.length % length === 0 && keys.every((key, i) => key === keys[i % length])) return length;
  }
  return keys.length;
}

let recordings = [];

function load({ index, data }) {
  const bytes = readFileSync(data);
  recordings = JSON.parse(readFileSync(index, "utf8")).map(({ name, blocks }) => ({
    name,
    blocks: blocks.map(([start, end]) => bytes.subarray(start, end)),
  }));
  return { recordings: recordings.length };
}

function run({ libraries, write }) {
  const chosen = LIBRARIES[libraries];
  let events = 0;
  let kept = 0;
  let written = 0;
  const cpuBegin = process.cpuUsage();
  const begin = process.hrtime.bigint();
  for (const { name, blocks } of recordings) {
    const decoded = decode(blocks, chosen);
    decoded.sort((a, b) => a.timestamp - b.timestamp);
    const playable = dropRepeats(decoded);
    events += decoded.length;
    kept += playable.length;
    if (write) {
      const lines = playable.map((event) => JSON.stringify(event)).join("\n");
      const packed = zstdCompressSync(lines, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
      writeFileSync(join(write, `${name}.jsonl.zst`), packed);
      written += packed.length;
    }
  }
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const cpu = process.cpuUsage(cpuBegin);
  return { seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6, events, kept, written };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const answer = command.do === "load" ? load(command) : run(command);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
