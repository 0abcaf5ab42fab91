import { defineConfig } from "vitest/config";

// eslint-disable-next-line no-restricted-exports -- Vitest's shape of a configuration
export default defineConfig({ test: { include: ["test/**/*.test.ts"] } });
