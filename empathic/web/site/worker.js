// Keeps the site's files, and answers with them first. The student's parts are kept by the page (model.js).
const VERSION = "{{ version }}";
const PREFIX = `site ${new URL(self.registration.scope).pathname} `; // an origin may have several sites
const FILES = {{ files }};
const EITHER = {{ either }}; // the engine's files, of which a browser asks for those that it can run

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(PREFIX + VERSION).then((cache) =>
    cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })))));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys())
      if (name.startsWith(PREFIX) && name !== PREFIX + VERSION) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url), scope = new URL(self.registration.scope);
  if (event.request.method !== "GET" || !url.href.startsWith(scope.href)) return;
  const path = url.pathname.slice(scope.pathname.length);
  const file = path === "" || path === "index.html" ? "./" : path;
  if (!FILES.includes(file) && !EITHER.includes(file)) return; // another page of this folder, the model, or this file
  event.respondWith(answer(file === "./" ? scope.href : scope.href + file, event.request));
});

async function answer(url, request) {
  const cache = await caches.open(PREFIX + VERSION);
  let found = await cache.match(url);
  if (!found) {
    found = await fetch(request);
    if (found.ok) await cache.put(url, found.clone()).catch(() => {});
  }
  if (request.mode !== "navigate") return found;
  // A page with these headers is alone with its process, and may share memory among threads.
  const headers = new Headers(found.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
