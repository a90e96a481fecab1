// SPDX-License-Identifier: Apache-2.0
// Keeps the page for use without a network. scripts/pack.mjs fills in the list, whose hash names the cache.
const FILES = self.__FILES__;
const CACHE = "__CACHE__";
self.addEventListener("install", (event) => event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES))));
self.addEventListener("activate", (event) =>
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))));
self.addEventListener("fetch", (event) => {
  event.respondWith(caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? fetch(event.request)));
});
