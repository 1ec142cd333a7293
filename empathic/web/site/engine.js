// llama.cpp in WebAssembly (wllama): a GGUF file that writes replies.
import { MISSING, Refused } from "./model.js";
import { Wllama } from "./wllama/wllama.js";

const here = (path) => new URL(path, import.meta.url).href;
const MARK = "starting"; // set while the engine starts: a tab that runs out of memory ends without a word
const LOGS = { ...console, debug() {}, log() {} };

function marked(set) {
  try {
    if (set === undefined) return localStorage.getItem(MARK) !== null;
    if (set) localStorage.setItem(MARK, "1");
    else localStorage.removeItem(MARK);
  } catch {}
  return false;
}

function loader(wasm) {
  const wllama = new Wllama({ default: wasm ?? here("wllama/wllama.wasm") }, { suppressNativeLog: true, logger: LOGS });
  wllama.setCompat({ worker: here("wllama/compat.js"), wasm: wasm ?? here("wllama/compat.wasm") });
  return wllama;
}

/** llama.cpp itself: fetched by this page, since not every browser lets its workers ask the service worker. */
async function code() {
  try {
    const response = await fetch(loader().getWorkerResources().wasmPath);
    if (response.ok) return new Blob([await response.arrayBuffer()], { type: "application/wasm" });
  } catch {}
  throw new Refused(MISSING);
}

export class Engine {
  /** Start it; with one thread where the last start ended early, or where threads get no memory (iPhones). */
  static async start(settings, blobs) {
    const several = Math.max(1, Math.floor((navigator.hardwareConcurrency || 1) / 2));
    const tries = marked() || several === 1 ? [1] : [several, 1];
    const wasm = URL.createObjectURL(await code());
    marked(true);
    let failed;
    for (const threads of tries) {
      const wllama = loader(wasm);
      try {
        await wllama.loadModel(blobs, {
          n_ctx: settings.window, n_batch: 64, n_ubatch: 64, n_parallel: 1, n_threads: threads,
          n_gpu_layers: 0, // Safari's WebGPU gave gibberish (llama.cpp's issue 23925), and small models do without
          ctx_shift: false, jinja: true, warmup: false,
        });
        marked(false);
        URL.revokeObjectURL(wasm);
        return new Engine(wllama, settings);
      } catch (error) {
        failed = error;
        await wllama.exit().catch(() => {});
      }
    }
    marked(false);
    throw failed;
  }

  constructor(wllama, settings) {
    this.wllama = wllama;
    this.settings = settings;
    this.threads = wllama.getNumThreads();
    this.last = Promise.resolve(); // one request at a time: this is the end of the newest
    this.warming = null;
  }

  /**
   * The chat API's events; first one with `tokens`, the prompt's length. Leaving the loop ends the reply.
   * A warm-up that is still at work is broken off: what it has read by then is kept, and needn't be read again.
   */
  async* stream(messages, signal) {
    if (signal !== this.warming?.signal) this.warming?.abort();
    const before = this.last;
    let leave;
    this.last = new Promise((resolve) => { leave = resolve; });
    await before;
    try {
      yield* this.streamed(messages, signal);
    } finally {
      leave();
    }
  }

  async* streamed(messages, signal) {
    const { max_tokens, temperature, seed } = this.settings, stopping = new AbortController();
    const stop = () => stopping.abort(), queue = [];
    let wake = () => {}, ended = false, failed = null;
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    const end = (error) => { [ended, failed] = [true, error ?? null]; wake(); };
    const asked = {
      messages, max_tokens, temperature, seed, stream: true, return_progress: true, cache_prompt: true,
      stream_options: { include_usage: true }, abortSignal: stopping.signal,
      onData(event) { queue.push(event); wake(); },
    };
    const done = this.wllama.createChatCompletion(asked).then(() => end(), end);
    try {
      for (;;) {
        while (queue.length) {
          const event = queue.shift();
          if (event.prompt_progress) yield { tokens: event.prompt_progress.total };
          else yield event;
        }
        if (ended) break;
        await new Promise((resolve) => { wake = resolve; });
      }
      const tokens = /\((\d+) tokens\) exceeds/.exec(failed?.message ?? "");
      if (tokens) yield { tokens: Number(tokens[1]) };
      else if (failed) throw failed;
    } finally {
      signal?.removeEventListener("abort", stop);
      stop();
      await done;
    }
  }

  /** Read the instruction, so that the first reply needn't wait for it. */
  async warm() {
    if (!this.settings.told) return;
    const said = [{ role: "system", content: this.settings.told }, { role: "user", content: "Hello" }];
    this.warming = new AbortController();
    for await (const event of this.stream(said, this.warming.signal)) if (event.choices) break;
  }

  close() {
    this.wllama.exit().catch(() => {});
  }
}
