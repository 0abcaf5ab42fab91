import eslint from "@eslint/js";
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
  {
    files: ["**/test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["**/*.mjs"],
    languageOptions: { globals: { console: "readonly", URL: "readonly" } },
    // What is taken out of a bundle are the characters ASCII does not have.
    rules: { "no-control-regex": "off" },
  },
  {
    files: ["**/boot.js"],
    languageOptions: { globals: { window: "readonly", document: "readonly" } },
  },
);
