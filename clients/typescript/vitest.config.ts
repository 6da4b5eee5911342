import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { react: fileURLToPath(new URL("test/node_modules/react", import.meta.url)) } }, // the package has none
  test: {
    testTimeout: 60_000,
    environmentOptions: { happyDOM: { settings: { fetch: { disableSameOriginPolicy: true } } } },
  },
});
