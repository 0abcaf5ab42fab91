/**
 * Builds the recorder: `src/replayport/static/recorder.js`, a classic script that defines
 * `window.SessionRecorder`, and `dist/`, an ES module with its types for npm.
 */

import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const staticDir = resolve(here, "../../../src/replayport/static");
const modules = resolve(here, "../../node_modules");

/** Licences of what is inside the bundle travel with it. */
const licence = await readFile(join(here, "licences", "rrweb.txt"), "utf8");
const { version: rrweb } = JSON.parse(
  await readFile(join(modules, "@rrweb/record/package.json"), "utf8"),
);
const banner =
  `/*! @replayport/recorder, Apache-2.0. Contains @rrweb/record ${rrweb}, MIT:\n` +
  `${licence.trim()}\n*/\n`;

async function bundle(entry, format) {
  const [{ output }] = [
    await build({
      configFile: false,
      root: here,
      logLevel: "warn",
      define: { "process.env.NODE_ENV": '"production"' },
      build: {
        write: false,
        target: "es2022",
        minify: true,
        reportCompressedSize: false,
        lib: {
          entry: join(here, "src", entry),
          formats: [format],
          name: "replayportRecorder",
          fileName: "recorder",
        },
      },
    }),
  ].flat();
  return banner + output.find((item) => item.type === "chunk").code;
}

const targets = [
  [join(staticDir, "recorder.js"), await bundle("script.ts", "iife")],
  [join(here, "dist", "recorder.js"), await bundle("index.ts", "es")],
];
for (const [file, text] of targets) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
execFileSync(
  execPath,
  [join(modules, "typescript/bin/tsc"), "-p", join(here, "tsconfig.types.json")],
  { stdio: "inherit" },
);
const [[, script]] = targets;
console.log(`${"recorder.js".padEnd(26)} ${script.length} bytes, gz ${gzipSync(script).length}`);
