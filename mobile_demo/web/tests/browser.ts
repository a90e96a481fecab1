// SPDX-License-Identifier: Apache-2.0
// The built page in Debian's Chromium, at a phone's size.
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";

import { serve } from "../scripts/serve.mjs";

export const MATERIAL = process.env.AVGUARD_MATERIAL!;
export const READY_MS = 100_000;
const DEVICES = ["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${MATERIAL}/camera.y4m`, `--use-file-for-fake-audio-capture=${MATERIAL}/microphone.wav`];
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", ...DEVICES];

/** What went wrong in any page, which must stay empty. */
export const troubles: string[] = [];

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

export async function openServer(): Promise<{ url: string; close: () => void }> {
  const server = await serve(0);
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export async function openPage(browser: Browser, url: string, prepare?: (context: BrowserContext) => Promise<void>): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  await prepare?.(context);
  const page = await context.newPage();
  page.on("pageerror", (error) => troubles.push(String(error)));
  await page.goto(url);
  await page.getByText("Ready.").waitFor({ timeout: READY_MS });
  return page;
}

/** Once all controls can be used again: what the status line says, and the verdict's JSON if there is one. */
export async function outcome(page: Page): Promise<{ status: string; verdict: Record<string, any> | null }> {
  await page.waitForFunction(() => !(document.getElementById("file") as HTMLInputElement).disabled, null, { timeout: READY_MS });
  const status = (await page.getByRole("status").textContent()) ?? "";
  const json = status.startsWith("Done") ? await page.evaluate(() => (window as any).avguardVerdict()) : "";
  return { status, verdict: json ? JSON.parse(json) : null };
}

/** Gives the page a file. */
export async function check(page: Page, path: string): Promise<{ status: string; verdict: Record<string, any> | null }> {
  await page.setInputFiles("#file", path);
  return outcome(page);
}
