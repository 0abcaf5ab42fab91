import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// eslint-disable-next-line no-restricted-exports -- what vitest reads
export default defineConfig({ plugins: [svelte()], test: { include: ["test/**/*.test.ts"] } });
