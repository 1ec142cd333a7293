"""llama.cpp in a page of headless Chromium: the same conversation, by the engine that `empathic web` writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import chromium
import phone_talk as talk

from empathic.conversation.speaker import Sampling
from empathic.web import site
from empathic.web.student import Student

_TALK = """
async ([first, said, long]) => {
  const { Engine } = await import("./engine.js"), { load } = await import("./model.js");
  const settings = await (await fetch("student.json")).json();
  const { blobs } = await load(settings.parts, () => {});
  const now = () => performance.now() / 1000;
  let start = now();
  const engine = await Engine.start(settings, blobs);
  const loaded = now() - start, system = { role: "system", content: settings.told };
  const reply = async (turns) => {
    const start = now(), times = [];
    let text = "", tokens = 0;
    for await (const event of engine.stream(turns)) {
      tokens = event.tokens ?? tokens;
      const content = event.choices?.[0]?.delta?.content;
      if (content) { times.push(now() - start); text += content; }
    }
    return { text, tokens, first: times[0], written: [times.length - 1, times.at(-1) - times[0]] };
  };
  const firsts = [(await reply([system, { role: "user", content: first }])).first], written = [], turns = [system];
  for (const content of said) {
    turns.push({ role: "user", content });
    const one = await reply(turns);
    turns.push({ role: "assistant", content: one.text });
    firsts.push(one.first);
    written.push(one.written);
  }
  const read = await reply([{ role: "user", content: long }]);
  written.push(read.written);
  return { loaded, reading: [read.tokens, read.first], firsts, written, threads: engine.threads };
}
"""
_FOUR_CORES = "Object.defineProperty(navigator, 'hardwareConcurrency', { value: 4 });"
_OLDER = """
delete WebAssembly.Suspending;
const { Memory } = WebAssembly;
WebAssembly.Memory = function (wanted) {
  if (wanted.address === "i64") throw new TypeError("32 bits here");
  return new Memory(wanted);
};
"""
WAYS = {  # name -> what the page finds before it starts, and whether its server isolates it from others
    "Chromium": (_FOUR_CORES, True),
    "Chromium, one thread": ("", False),
    "Chromium, older build": (_OLDER, False),
}


class _Handler(SimpleHTTPRequestHandler):
    isolated = False

    def log_message(self, *_: Any) -> None: ...

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


class _Isolated(_Handler):
    isolated = True


def measured(path: Path, told: str) -> Iterator[dict[str, Any]]:
    """A row of a file for each way that a browser may run it; memory is that of Chromium's page processes, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        student = Student(path.stem, path, told, Sampling(talk.WRITTEN, 0.0, 0), talk.CONTEXT)
        site.build(student, Path(folder) / "site")
        (Path(folder) / "site" / "bench.html").write_text("<!doctype html>", encoding="utf-8")
        for engine, (before, isolated) in WAYS.items():
            with _served(Path(folder) / "site", isolated) as address:
                yield {"engine": engine, **_visit(f"{address}/bench.html", before)}


@contextmanager
def _served(folder: Path, isolated: bool) -> Iterator[str]:
    handler = partial(_Isolated if isolated else _Handler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _visit(address: str, before: str) -> dict[str, Any]:
    with chromium.page() as page:
        page.add_init_script(before)
        page.goto(address)
        empty = _renderers()
        seen = page.evaluate(_TALK, [talk.FIRST, list(talk.SAID), talk.LONG])
        memory = _renderers() - empty
    row = talk.row(seen["loaded"], seen["reading"], seen["firsts"], seen["written"])
    return {"threads": seen["threads"], **row, "memory_mb": round(memory)}


def _renderers() -> float:
    """The most memory that this process's Chromium pages have taken so far, in MB."""
    most = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (folder / "cmdline").read_bytes() and os.getpid() in _above(int(folder.name)):
                status = (folder / "status").read_text(encoding="utf-8")
                most += int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return most


def _above(pid: int) -> Iterator[int]:
    """The processes that a process comes from."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        yield pid
