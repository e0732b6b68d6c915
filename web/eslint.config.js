import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["node_modules", "dist"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: {
      parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig },
    },
  },
  { rules: { eqeqeq: "error", "no-console": "error" } },
  // Sets and maps here are handed over whole ($state.raw) or not reactive on purpose.
  { files: ["**/*.svelte.ts", "src/parts/Histogram.svelte"], rules: { "svelte/prefer-svelte-reactivity": "off" } },
);
