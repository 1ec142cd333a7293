// llama.cpp in WebAssembly (wllama): a GGUF file that writes replies.
import { Wllama } from "./wllama/wllama.js";

const here = (path) => new URL(path, import.meta.url).href;
const MARK = "starting"; // set while the engine starts: a tab that runs out of memory ends without a word
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const LOGS = { ...console, debug() {}, log() {} };

/** Whether this browser can run it at all. */
export function supported() {
  try { return WebAssembly.validate(new Uint8Array(SIMD)); } catch { return false; }
}

function marked(set) {
  try {
    if (set === undefined) return localStorage.getItem(MARK) !== null;
    if (set) localStorage.setItem(MARK, "1");
    else localStorage.removeItem(MARK);
  } catch {}
  return false;
}

export class Engine {
  /** Start it; with one thread where the last start ended early, or where threads get no memory (iPhones). */
  static async start(settings, blobs) {
    const several = Math.max(1, Math.floor((navigator.hardwareConcurrency || 1) / 2));
    const tries = marked() || several === 1 ? [1] : [several, 1];
    marked(true);
    let failed;
    for (const threads of tries) {
      const wllama = new Wllama({ default: here("wllama/wllama.wasm") }, { suppressNativeLog: true, logger: LOGS });
      wllama.setCompat({ worker: here("wllama/compat.js"), wasm: here("wllama/compat.wasm") });
      try {
        await wllama.loadModel(blobs, {
          n_ctx: settings.window, n_batch: 64, n_ubatch: 64, n_parallel: 1, n_threads: threads,
          n_gpu_layers: 0, // browsers' WebGPU gives other words than llama.cpp on too many phones
          ctx_shift: false, jinja: true, warmup: false,
        });
        marked(false);
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
    this.window = Math.min(settings.window, wllama.getLoadedContextInfo().n_ctx);
    this.threads = wllama.getNumThreads();
  }

  /** The chat API's events; first one with `tokens`, the prompt's length. Leaving the loop ends the reply. */
  async* stream(messages, signal) {
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

  close() {
    this.wllama.exit().catch(() => {});
  }
}
