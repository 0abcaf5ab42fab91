/**
 * Builds the player into `src/replayport/static/`.
 *
 * Two passes: the frame's program first, whose hash goes into the policy of the frame's
 * small document; then the player, which carries both as strings. Nothing is loaded at
 * run time.
 */

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const outDir = resolve(here, "../../../src/replayport/static");
const VIRTUAL = "virtual:frame-document";
/** Bundle one entry into a classic script; gives its text and its styles. */
async function bundle(entry, globalName, plugins = []) {
  const [{ output }] = [
    await build({
      configFile: false,
      root: here,
      logLevel: "warn",
      plugins,
      define: { "process.env.NODE_ENV": '"production"' },
      build: {
        write: false,
        target: "es2022",
        cssCodeSplit: false,
        reportCompressedSize: false,
        lib: { entry: join(here, entry), formats: ["iife"], name: globalName, fileName: "bundle" },
      },
    }),
  ].flat();
  const script = output.find((item) => item.type === "chunk").code;
  const styles = output
    .filter((item) => item.fileName.endsWith(".css"))
    .map((item) => String(item.source))
    .join("");
  return { script: inlineable(toAscii(script)), styles: toAscii(styles, "css") };
}

/** ASCII only, so that the text survives btoa and any charset. */
function toAscii(text, language = "js") {
  return text.replace(/[^\x00-\x7f]/g, (char) => {
    const code = char.charCodeAt(0).toString(16);
    return language === "css" ? `\\${code.padStart(6, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** A script inside an HTML page ends at `</script`, wherever that stands. */
function inlineable(script) {
  return script.replace(/<(?=\/script|script|!--)/gi, "\\x3C");
}

const quoted = (hashes) => hashes.map((hash) => `'${hash}'`).join(" ");
const sha256 = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`;

const frame = await bundle("src/frame/main.ts", "replayportFrame");
const boot = inlineable(await readFile(join(here, "src/frame/boot.js"), "utf8"));
const frameHashes = [sha256(boot), sha256(frame.script)];
const framePolicy = [
  "default-src 'none'",
  `script-src ${quoted(frameHashes)}`,
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "font-src data: blob:",
  "media-src data: blob:",
  "connect-src 'none'",
  "frame-src 'none'",
  "worker-src 'none'",
  "form-action 'none'",
  "base-uri 'none'",
].join("; ");
const frameDocument =
  `<!doctype html><html><head><meta charset="utf-8">` +
  `<meta http-equiv="Content-Security-Policy" content="${framePolicy}">` +
  `<meta name="referrer" content="no-referrer">` +
  `<title>Recorded page</title><style>${frame.styles}</style></head>` +
  `<body><script>${boot}</script></body></html>`;

const player = await bundle("src/index.ts", "replayport", [
  {
    name: "frame-document",
    resolveId: (id) => (id === VIRTUAL ? `\0${VIRTUAL}` : null),
    load: (id) =>
      id === `\0${VIRTUAL}`
        ? `export const FRAME_DOCUMENT = ${JSON.stringify(frameDocument)};` +
          `export const FRAME_PROGRAM = ${JSON.stringify(frame.script)};`
        : null,
  },
]);
const playerHash = sha256(player.script);

/** What a page that hosts the player must allow; the frame inherits its page's policy. */
const pagePolicy = [
  "default-src 'none'",
  `script-src ${quoted([playerHash, ...frameHashes])}`,
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "font-src data: blob:",
  "media-src data: blob:",
  "connect-src 'none'",
  "frame-src data:",
  "form-action 'none'",
  "base-uri 'none'",
].join("; ");

const template = await readFile(join(here, "export.html"), "utf8");
// Named by hash and cut out by name: a formatter that touches them breaks every export.
for (const part of [
  "<script>%PLAYER%</script>",
  'id="assets">%ASSETS%</script>',
  'id="recording">%RECORDING%</script>',
]) {
  if (!template.includes(part)) {
    throw new Error(`export.html has no ${part}`);
  }
}
const page = template
  .replace("%POLICY%", () => pagePolicy)
  .replace("%PLAYER%", () => player.script);

await mkdir(outDir, { recursive: true });
const files = {
  "player.js": player.script,
  "export.html": page,
  "csp.json": `${JSON.stringify({ player_sha256: playerHash, frame_sha256: frameHashes, page_policy: pagePolicy }, null, 2)}\n`,
  "THIRD_PARTY_LICENSES.txt": await licences(),
};
for (const [name, text] of Object.entries(files)) {
  await writeFile(join(outDir, name), text);
  console.log(`${name.padEnd(26)} ${text.length} bytes, gz ${gzipSync(text).length}`);
}

/** The notices of everything in the two bundles. */
async function licences() {
  const names = [
    "rrweb",
    "rrweb-snapshot",
    "rrdom",
    "@rrweb/types",
    "@rrweb/utils",
    "@xstate/fsm",
    "mitt",
    "base64-arraybuffer",
    "hyparquet",
    "fzstd",
    // Inside rrweb's own bundle.
    "postcss",
    "nanoid",
    "picocolors",
  ];
  const parts = [];
  for (const name of names) {
    const folder = resolve(here, "../../node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const text =
      (await firstOf(folder, ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"])) ??
      (await readFile(join(here, "licences", "rrweb.txt"), "utf8"));
    parts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return parts.join(`\n${"-".repeat(78)}\n\n`);
}

async function firstOf(folder, names) {
  for (const name of names) {
    try {
      return await readFile(join(folder, name), "utf8");
    } catch (error) {
      if (error.code !== "ENOENT") {
        throw error;
      }
    }
  }
  return null;
}
