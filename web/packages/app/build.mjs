/**
 * Builds the app into `src/replayport/static/app/`.
 *
 * One page, one script, one style sheet, an icon. Nothing is loaded from elsewhere, and no
 * script or style stands in the page: the server's policy would not run it.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const outDir = resolve(here, "../../../src/replayport/static/app");

await rm(outDir, { recursive: true, force: true });
await mkdir(outDir, { recursive: true });
const { output } = await build({
  configFile: false,
  root: here,
  base: "/static/app/",
  logLevel: "warn",
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } })],
  build: {
    outDir,
    emptyOutDir: false,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    license: false,
  },
});
for (const item of output) {
  const text = item.type === "chunk" ? item.code : String(item.source);
  console.log(
    `${`app/${item.fileName}`.padEnd(36)} ${text.length} bytes, gz ${gzipSync(text).length}`,
  );
}

const svelteFolder = resolve(here, "../../node_modules/svelte");
const { version, license } = JSON.parse(await readFile(join(svelteFolder, "package.json"), "utf8"));
const notice = await readFile(join(svelteFolder, "LICENSE.md"), "utf8");
await writeFile(
  join(outDir, "THIRD_PARTY_LICENSES.txt"),
  `svelte ${version} (${license})\n\n${notice.trim()}\n`,
);
