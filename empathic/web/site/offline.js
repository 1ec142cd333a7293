// The service worker that keeps this page for when the network is off, and lets the student use several threads.
const RELOADED = "reloaded", PATIENCE = 3000; // ms until a worker that is there has to have taken this page

function once() {
  try {
    if (sessionStorage.getItem(RELOADED)) return false;
    sessionStorage.setItem(RELOADED, "1");
    return true;
  } catch { return false; }
}

const settled = (worker) => new Promise((resolve) => {
  worker.addEventListener("statechange", () => { if (["activated", "redundant"].includes(worker.state)) resolve(); });
});

/** Wait until the worker answers for this page; false where the browser has none. May load the page anew, once. */
export async function controlled() {
  if (!navigator.serviceWorker) return false;
  try {
    const registration = await navigator.serviceWorker.register("worker.js");
    const coming = registration.installing ?? registration.waiting;
    if (!registration.active && coming) await settled(coming);
    if (!registration.active) return false; // a file is missing, or storage is full
  } catch { return false; }
  // Only a page that came from the worker has the headers that threads want.
  if (!globalThis.crossOriginIsolated && once()) {
    location.reload();
    await new Promise(() => {});
  }
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) => {
      navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
      setTimeout(resolve, PATIENCE);
    });
  return navigator.serviceWorker.controller !== null;
}
