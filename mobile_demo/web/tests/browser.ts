// SPDX-License-Identifier: Apache-2.0
// The built page in Debian's Chromium, at a phone's size.
import { type Browser, type Page, chromium } from "playwright-core";

import { serve } from "../scripts/serve.mjs";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
export const READY_MS = 60_000;

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

export async function openServer(): Promise<{ url: string; close: () => void }> {
  const server = await serve(0);
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export async function openPage(browser: Browser, url: string, colorScheme: "light" | "dark" = "light"): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByText("Ready.").waitFor({ timeout: READY_MS });
  return page;
}

/** Gives the page a file; answers what its status line then says, and the verdict's JSON if there is one. */
export async function check(page: Page, path: string): Promise<{ status: string; verdict: Record<string, any> | null; seconds: number }> {
  const begun = Date.now();
  await page.setInputFiles("#file", path);
  await page.waitForFunction(() => !(document.getElementById("file") as HTMLInputElement).disabled, null, { timeout: READY_MS });
  const status = (await page.getByRole("status").textContent()) ?? "";
  const json = status.startsWith("Done") ? await page.evaluate(() => (window as any).avguardVerdict()) : "";
  return { status, verdict: json ? JSON.parse(json) : null, seconds: (Date.now() - begun) / 1000 };
}
