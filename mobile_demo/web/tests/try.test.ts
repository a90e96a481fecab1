import { readFileSync } from "node:fs";
import { it } from "vitest";
import { openBrowser, openPage, openServer, check } from "./browser";
it("tries", async () => {
  const golden = JSON.parse(readFileSync("/tmp/golden.json", "utf8"));
  const server = await openServer(); const browser = await openBrowser();
  const page = await openPage(browser, server.url);
  for (const [clip, wanted] of Object.entries<any>(golden)) {
    const got = await check(page, `/work/shared/data/${clip}`);
    const d = got.verdict && Object.fromEntries(Object.keys(wanted.score).map((k) => [k, (got.verdict!.score[k] ?? 0) - (wanted.score[k] ?? 0)]));
    console.log(clip, got.status, got.verdict?.label, wanted.label, JSON.stringify(d), got.verdict?.offset_ms, wanted.offset_ms, JSON.stringify(got.verdict?.warnings));
  }
  await page.screenshot({ path: "/tmp/light.png", fullPage: true });
  await browser.close(); server.close();
}, 200000);
