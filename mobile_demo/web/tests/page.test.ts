// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { MATERIAL, READY_MS, check, openBrowser, openPage, openServer, outcome, troubles } from "./browser";

interface Golden { label: string; score: Record<string, number> }
// 1e-3, and both sides are rounded to 1e-4.
const TOLERANCE = 1.1e-3;
const GOLDEN = JSON.parse(readFileSync(`${MATERIAL}/golden.json`, "utf8")) as Record<string, Golden>;
const CLIPS = Object.keys(GOLDEN);
const SHORTEST = CLIPS.at(-1)!;

/** Presses Stop as soon as there is something to stop: most clips are over before a hand could. */
async function stopsAndGoesOn(page: Page): Promise<void> {
  await page.evaluate(() => {
    const stopper = document.getElementById("stop")!;
    const watcher = new MutationObserver(() => {
      if (stopper.hidden) return;
      watcher.disconnect();
      stopper.click();
    });
    watcher.observe(stopper, { attributes: true });
  });
  const { status, verdict } = await check(page, CLIPS[0]);
  expect(status).toContain("Stopped");
  expect(verdict).toBeNull();
  expect(await page.locator("#stop").isVisible()).toBe(false);
  expect((await check(page, SHORTEST)).verdict?.label).toBe(GOLDEN[SHORTEST].label);
}

let browser: Browser, server: { url: string; close: () => void }, page: Page;
const requests: string[] = [];

beforeAll(async () => {
  mkdirSync("screenshots", { recursive: true });
  [browser, server] = [await openBrowser(), await openServer()];
  page = await openPage(browser, server.url);
  await page.evaluate(() => navigator.serviceWorker.ready.then((ready) => new Promise<void>((resolve) => {
    if (ready.active?.state === "activated") resolve();
    else ready.active?.addEventListener("statechange", () => resolve());
  })));
  page.context().on("request", (request) => { if (!request.url().startsWith("blob:")) requests.push(request.url()); });
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

describe("verdicts", () => {
  it.each(CLIPS)("equals Python's: %s", async (path) => {
    const { status, verdict } = await check(page, path);
    const wanted = GOLDEN[path];
    expect(verdict?.label).toBe(wanted.label);
    const off = Object.entries(wanted.score).map(([head, score]) => [head, Math.abs(verdict!.score[head] - score)] as const);
    console.log(path.split("/").at(-1), status, JSON.stringify(await page.evaluate(() => (window as any).avguardMemory())),
      off.map(([head, far]) => `${head} ${far.toFixed(4)}`).join(", "));
    for (const [head, far] of off) expect(far, head).toBeLessThanOrEqual(TOLERANCE);
  });
  it("asked the network for nothing", () => expect(requests).toEqual([]));
});

describe("the page", () => {
  it("shows the verdict in light and dark", async () => {
    await page.screenshot({ path: "screenshots/light.png", fullPage: true });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.screenshot({ path: "screenshots/dark.png", fullPage: true });
    expect(await page.locator("#label").isVisible()).toBe(true);
  });
  it("draws three curves that can be scrubbed", async () => {
    expect(await page.locator("#chart path").count()).toBe(3);
    const slider = page.getByRole("slider", { name: "Time in the clip" });
    await slider.focus();
    await page.keyboard.press("End");
    const end = await page.evaluate(() => document.querySelector("video")!.currentTime);
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    const [start, said] = [await page.evaluate(() => document.querySelector("video")!.currentTime), await slider.getAttribute("aria-valuetext")];
    expect(end).toBeGreaterThan(2);
    expect(start).toBeGreaterThan(0);
    expect(start).toBeLessThan(0.2);
    expect(said).toMatch(/^0\.\d seconds$/);
  });
  it("says that a text file is no clip", async () => {
    writeFileSync(`${MATERIAL}/wrong.mp4`, "not a film");
    const { status, verdict } = await check(page, `${MATERIAL}/wrong.mp4`);
    expect(verdict).toBeNull();
    expect(status).toContain("not a video or sound file");
  });
  it("cannot tell of a clip without a face", async () => {
    const { verdict } = await check(page, `${MATERIAL}/faceless.mp4`);
    expect(verdict?.label).toBe("inconclusive");
    expect(verdict?.reasons).toContain("no_face");
    expect(await page.getByText("No face was seen.").isVisible()).toBe(true);
    await page.screenshot({ path: "screenshots/no-face.png", fullPage: true });
  });
  it("stops when it is told to, and judges the next clip as ever", () => stopsAndGoesOn(page));
  it("says that the camera was not allowed", async () => {
    await page.getByRole("button", { name: "Watch the camera" }).click();
    const { status } = await outcome(page);
    expect(status).toContain("not allowed");
    await page.screenshot({ path: "screenshots/denied.png", fullPage: true });
  });
  it("loads and judges without a network", async () => {
    await page.context().setOffline(true);
    await page.reload();
    await page.getByText("Ready.").waitFor({ timeout: READY_MS });
    expect((await check(page, SHORTEST)).verdict?.label).toBe(GOLDEN[SHORTEST].label);
    await page.context().close();
  });
});

describe("other sources", () => {
  it("watches the camera and the microphone until it is stopped", async () => {
    const live = await openPage(browser, server.url, (context) => context.grantPermissions(["camera", "microphone"]));
    await live.getByRole("button", { name: "Watch the camera" }).click();
    await live.getByText("Watching.").waitFor();
    await live.locator("#box").waitFor({ timeout: READY_MS });
    await live.waitForTimeout(5000);
    await live.screenshot({ path: "screenshots/live.png" });
    await live.getByRole("button", { name: "Stop and judge" }).click();
    const { status, verdict } = await outcome(live);
    expect(status).toContain("Done");
    console.log("live", JSON.stringify({ ...verdict, timeline: undefined, tracks: undefined }));
    expect(verdict!.quality.face_s).toBeGreaterThan(2);
    expect(verdict!.quality.speech_s).toBeGreaterThan(1);
    expect(verdict!.score.sync).not.toBeNull();
    await live.screenshot({ path: "screenshots/live-verdict.png", fullPage: true });
    await live.context().close();
  });
  it("judges a file without WebCodecs", async () => {
    const plain = await openPage(browser, server.url, (context) => context.addInitScript(() => {
      for (const name of ["VideoDecoder", "AudioDecoder", "VideoFrame", "AudioData"]) delete (window as any)[name];
    }));
    await stopsAndGoesOn(plain);
    const { verdict } = await check(plain, SHORTEST);
    const wanted = GOLDEN[SHORTEST];
    console.log("without WebCodecs", JSON.stringify(verdict?.score), "Python", JSON.stringify(wanted.score), verdict?.warnings);
    expect(verdict?.label).toBe(wanted.label);
    for (const head of ["video", "audio", "sync"]) expect(Math.abs(verdict!.score[head] - wanted.score[head]), head).toBeLessThan(0.2);
    expect((await check(plain, `${MATERIAL}/wrong.mp4`)).status).toContain("not a video or sound file");
    await plain.context().close();
  });
});

describe("the share button", () => {
  /** Reaches it by keyboard from the last control before it, and presses it. */
  async function press(page: Page): Promise<void> {
    await page.locator("#segments button, #scrub").last().focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("share");
    await page.keyboard.press("Enter");
  }
  /** A page with a verdict, where navigator.share is what a phone's browser has. */
  async function judged(share: "shared" | "AbortError" | "NotAllowedError" | "none"): Promise<Page> {
    const prepare = (context: BrowserContext) => context.addInitScript((share) => {
      const given: object[] = [];
      Object.assign(window, { given });
      Object.assign(navigator, {
        canShare: share === "none" ? undefined : (data?: ShareData) => Boolean(data?.files?.length),
        share: async ({ files, title }: ShareData) => {
          if (!navigator.userActivation.isActive) throw new DOMException("no gesture", "NotAllowedError");
          given.push(...await Promise.all(files!.map(async (file) => ({ title, name: file.name, type: file.type, text: await file.text() }))));
          if (share !== "shared") throw new DOMException(share, share);
        },
      });
    }, share);
    const page = await openPage(browser, server.url, prepare);
    await check(page, SHORTEST);
    return page;
  }
  function equalsPython(text: string): void {
    const [verdict, wanted] = [JSON.parse(text), GOLDEN[SHORTEST]];
    expect(verdict.schema).toBe("avguard.verdict/1");
    expect(verdict.label).toBe(wanted.label);
    for (const [head, score] of Object.entries(wanted.score)) expect(Math.abs(verdict.score[head] - score), head).toBeLessThanOrEqual(TOLERANCE);
  }
  const status = (page: Page) => page.getByRole("status").textContent();
  const given = (page: Page) => page.evaluate(() => (window as any).given as { name: string; type: string; text: string }[]);

  it("hands the JSON as a file to the phone", async () => {
    const page = await judged("shared");
    const before = await status(page);
    await press(page);
    await expect.poll(async () => (await given(page)).length).toBe(1);
    const [file] = await given(page);
    // What Chrome shares by name and type; it shares no .json.
    expect([file.name, file.type]).toEqual(["avguard.json.txt", "text/plain"]);
    equalsPython(file.text);
    expect(file.text).toBe(await page.evaluate(() => (window as any).avguardVerdict()));
    expect(await status(page)).toBe(before);
    await page.context().close();
  });
  it("says nothing when the person changes their mind", async () => {
    const page = await judged("AbortError");
    const downloads: unknown[] = [];
    page.on("download", (download) => downloads.push(download));
    const before = await status(page);
    for (const times of [1, 2]) {
      await press(page);
      await expect.poll(async () => (await given(page)).length).toBe(times);
    }
    await page.waitForTimeout(500);
    expect([await status(page), downloads]).toEqual([before, []]);
    await page.context().close();
  });
  it.each(["none", "NotAllowedError"] as const)("saves the JSON where it cannot be shared: %s", async (share) => {
    const page = await judged(share);
    const coming = page.waitForEvent("download");
    await press(page);
    const download = await coming;
    expect(download.suggestedFilename()).toBe("avguard.json");
    const text = readFileSync((await download.path())!, "utf8");
    equalsPython(text);
    expect(text).toBe(await page.evaluate(() => (window as any).avguardVerdict()));
    expect(await status(page)).toBe("Saved as avguard.json in the downloads.");
    await page.context().close();
  });
});

it("threw nothing in any page", () => expect(troubles).toEqual([]));
