// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  build: { target: "es2022", assetsInlineLimit: 0 },
  worker: { format: "es" },
  // A machine of two cores that also does other things.
  test: { testTimeout: 120_000, hookTimeout: 120_000 },
});
