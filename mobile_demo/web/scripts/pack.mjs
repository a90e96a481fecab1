// SPDX-License-Identifier: Apache-2.0
// After the build: the service worker's list of files, and a brotli form beside each file.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const names = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.endsWith(".br"))
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice(dist.pathname.length).replace(/^\/+/, ""))
  .sort();
const kept = names.filter((name) => name !== "sw.js" && !name.endsWith(".map"));
const hash = createHash("sha256");
for (const name of kept) hash.update(name).update(readFileSync(new URL(name, dist)));
const list = ["./", ...kept.map((name) => `./${name}`)];
const worker = readFileSync(new URL("sw.js", dist), "utf8")
  .replace("self.__FILES__", JSON.stringify(list))
  .replace("__CACHE__", `avguard-${hash.digest("hex").slice(0, 16)}`);
writeFileSync(new URL("sw.js", dist), worker);
let total = 0;
for (const name of names) {
  const data = readFileSync(new URL(name, dist));
  const params = { [constants.BROTLI_PARAM_QUALITY]: Number(process.env.BROTLI ?? 11), [constants.BROTLI_PARAM_LGWIN]: 24 };
  const small = brotliCompressSync(data, { params });
  writeFileSync(new URL(`${name}.br`, dist), small);
  total += small.length;
  console.log(name, data.length, small.length);
}
console.log("over the wire:", total, "bytes");
