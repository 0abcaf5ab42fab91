import eslint from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import svelteParser from "svelte-eslint-parser";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["**/node_modules/**", "**/dist/**"] },
  eslint.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Numbers in messages read well as they are.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A record of unknown keys is read with brackets, as tsconfig asks for too.
      "@typescript-eslint/dot-notation": "off",
      "no-restricted-exports": ["error", { restrictDefaultExports: { direct: true } }],
      "no-console": "error",
    },
  },
  ...svelte.configs.recommended,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parser: svelteParser,
      parserOptions: {
        projectService: true,
        extraFileExtensions: [".svelte"],
        parser: tseslint.parser,
      },
    },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/dot-notation": "off",
      // What comes from a recording is a text node, never markup.
      "svelte/no-at-html-tags": "error",
      // Links are paths of this server; there is no SvelteKit to resolve them.
      "svelte/no-navigation-without-resolve": "off",
      "no-console": "error",
      "prefer-const": "off",
      "svelte/prefer-const": "error",
      // svelte-check knows the globals.
      "no-undef": "off",
    },
  },
  {
    files: ["**/test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["**/*.mjs", "**/svelte.config.js"],
    languageOptions: { globals: { console: "readonly", URL: "readonly" } },
    // What is taken out of a bundle are the characters ASCII does not have.
    rules: { "no-control-regex": "off" },
  },
  {
    files: ["**/boot.js"],
    languageOptions: { globals: { window: "readonly", document: "readonly" } },
  },
);
