// The student's file: its parts from this browser's storage where they are whole, else from the server.
export const MISSING = "A part of the student is missing on this device, and the network is off. Connect once, and reload this page.";
const STORE = `model ${new URL("./", location.href).pathname}`; // an origin may have several sites

/** What a person is told, in one sentence or two. */
export class Refused extends Error {
  constructor(sentence) { super(sentence); this.sentence = sentence; }
}

async function same(bytes, part) {
  if (bytes.byteLength !== part.bytes) return false;
  if (!globalThis.crypto?.subtle) return true; // not over https: a browser lends no hashes there
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === part.sha256;
}

async function fetched(part, step) {
  let response;
  try {
    response = await fetch(part.file, { cache: "no-store" });
  } catch {
    throw new Refused(MISSING);
  }
  if (!response.ok) throw new Refused(`The server doesn't give a part of the student (${response.status}). Reload this page later.`);
  const found = new Uint8Array(part.bytes), reader = response.body.getReader();
  let done = 0;
  try {
    for (;;) {
      const { value, done: ended } = await reader.read();
      if (ended) break;
      if (done + value.length <= part.bytes) found.set(value, done);
      done += value.length;
      step(Math.min(done, part.bytes));
    }
  } catch {
    throw new Refused("The network broke off. Reload this page, and it goes on from where it was.");
  }
  return done === part.bytes && (await same(found, part)) ? found : null;
}

/** The parts as blobs, and whether they are kept; `progress(done, fetched)` is told bytes. */
export async function load(parts, progress) {
  const store = await globalThis.caches?.open(STORE).catch(() => undefined);
  const blobs = [];
  let before = 0, kept = store !== undefined, anew = false;
  for (const part of parts) {
    let blob = await store?.match(part.file).then((found) => found?.blob()).catch(() => undefined);
    if (blob && !(await same(await blob.arrayBuffer(), part))) blob = undefined;
    if (!blob) {
      anew = true;
      const step = (done) => progress(before + done, true);
      const bytes = (await fetched(part, step)) ?? (await fetched(part, step));
      if (!bytes) throw new Refused("The student's file comes damaged from the server. It has to be put there again.");
      blob = new Blob([bytes]);
      try {
        if (!store) throw new Error("no storage");
        await store.put(part.file, new Response(blob));
        blob = await (await store.match(part.file)).blob(); // lies on disk, not in memory
      } catch { kept = false; }
    }
    blobs.push(blob);
    progress((before += part.bytes), anew);
  }
  if (kept) {
    const wanted = new Set(parts.map((part) => new URL(part.file, location.href).href));
    for (const request of await store.keys()) if (!wanted.has(request.url)) await store.delete(request);
    if (anew) await navigator.storage?.persist?.().catch(() => {}); // iOS forgets pages that it isn't asked to keep
  }
  return { blobs: [new Blob(blobs)], kept };
}
