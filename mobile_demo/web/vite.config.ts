// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vite";

export default defineConfig({ base: "./", build: { target: "es2022", assetsInlineLimit: 0 }, worker: { format: "es" } });
