// The page's source of replies where there is no server: the student, behind the gate, in this browser.
import { Gate } from "./gate/gate.js";
import { guarded } from "./guard.js";
import { MISSING, load } from "./model.js";
import { controlled } from "./offline.js";
import { Window } from "./window.js";

const loading = document.querySelector(".loading"), label = loading.querySelector("label");
const bar = loading.querySelector("progress"), note = document.querySelector(".note");
const MB = 1e6;
const TOO_OLD = "This browser is too old for the student: it lacks WebAssembly with SIMD. A newer one will do.";
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
let settings, gate, Engine, blobs, talk = null, shown;
let engine = null; // a promise of it: what is said meanwhile waits, unless the gate answers

/** Whether this browser can run it at all. */
function supported() {
  try { return WebAssembly.validate(new Uint8Array(SIMD)); } catch { return false; }
}

function progress(text, part) {
  loading.hidden = text === null;
  label.textContent = text ?? "";
  if (part === undefined) bar.removeAttribute("value");
  else bar.value = part;
}

async function text(path) {
  try {
    const response = await fetch(path);
    if (response.ok) return await response.text();
  } catch {}
  return null;
}

async function json(path) {
  try { return JSON.parse(await text(path)); } catch { return null; }
}

const problem = (error) => (error.sentence ? new Problem(error.sentence) : error);

/** Fetch the student where it isn't on this device, and start it. */
async function fetched(keeps) {
  try {
    if (!supported()) throw new Problem(TOO_OLD);
    // Not among the imports above: a browser that can't read it should get to say so.
    ({ Engine } = await import("./engine.js").catch((error) => {
      throw new Problem(error instanceof SyntaxError ? TOO_OLD : MISSING);
    }));
    const size = Math.max(1, Math.round(settings.bytes / MB));
    const found = await load(settings.parts, (done, anew) => {
      const what = anew ? `Fetching the student, once: ${Math.round(done / MB)} of ${size} MB` : "Opening the student";
      progress(what, done / settings.bytes);
    }).catch((error) => { throw problem(error); });
    blobs = found.blobs;
    progress("Starting the student");
    const one = await started();
    one.warm().catch(() => {}); // while the person writes; a reply that fails says so itself
    note.textContent = keeps && found.kept
      ? "The student is on this device now, and answers with the network off."
      : "This browser keeps nothing for this page: the student answers now, but has to be fetched again next time.";
    note.hidden = false;
    return one;
  } finally {
    progress(null);
  }
}

async function started() {
  try {
    return await Engine.start(settings, blobs);
  } catch (error) {
    if (error.sentence) throw problem(error);
    console.error(error);
    throw new Problem("The student can't start here: most often memory is short. Close other tabs and apps, then reload this page.");
  }
}

source = {
  async open() {
    progress("Preparing …");
    const keeps = await controlled();
    [settings, gate] = await Promise.all([
      json("student.json"),
      Promise.all([text("gate/gate.json"), json("gate/replies.json"), json("gate/helplines.json")]).then((all) => Gate.load(...all)),
    ]);
    if (!settings) {
      progress(null);
      throw new Problem(MISSING);
    }
    engine = fetched(keeps);
    engine.catch((error) => setTimeout(() => tell(error))); // after the page has begun, which clears what was told
    return [{ id: settings.name, file: settings.file, gate: true }];
  },

  async* reply(speaker, messages, signal) {
    if (messages !== talk) {
      talk = messages; // the page begins a conversation with a list of its own
      shown = new Window(settings.window - Math.min(settings.max_tokens, Math.floor(settings.window / 2)));
    }
    try {
      yield* guarded(gate, checked(messages), settings.country, (turns) => written(turns, signal));
    } catch (error) {
      if (error.name !== "AbortError" && !(error instanceof Problem)) {
        console.error(error); // a phone that slept, or ran out of memory: the engine is of no use any more
        engine?.then((one) => one.close(), () => {});
        engine = null;
        throw new Problem("The student broke off. Write again, and it is started anew.");
      }
      throw error;
    }
  },
};

const aborted = (signal) => new Promise((_, reject) => {
  signal.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")), { once: true });
});

/** What the model writes: the newest turns that fit, and its words as they come. */
async function* written(turns, signal) {
  const one = await Promise.race([(engine ??= started()), aborted(signal)]);
  for (;;) {
    let tokens = 0;
    const told = settings.told ? [{ role: "system", content: settings.told }] : [];
    const prompt = [...told, ...shown.of(turns)];
    for await (const event of one.stream(prompt, signal)) {
      tokens = event.tokens ?? tokens;
      if (tokens > shown.room) break;
      if (event.choices) yield event;
    }
    if (tokens <= shown.room) return;
    if (!shown.cut(turns, tokens))
      throw new Problem(`The message is too long: ${tokens} tokens with the instruction, ${shown.room} fit. Shorten it.`);
  }
}

/** The turns as a model gets them; see conversation/messages.py. */
function checked(turns) {
  return turns.map(({ role, content }) => {
    const plain = content.replace(/\r\n?/g, "\n");
    const unwanted = /[^\P{Cc}\n\t]|\p{Cs}/gu;
    if (role !== "user") return { role, content: plain.replace(unwanted, "") };
    if (unwanted.test(plain)) throw new Problem("The message holds a control character. Leave it out.");
    return { role, content: plain };
  });
}

open();
