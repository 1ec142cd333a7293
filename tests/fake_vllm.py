"""A `vllm` that is none: put on the PATH, it serves, dies, hangs or complains as $FAKE_VLLM says.

It starts a process of its own, as vLLM starts its engines, which hears of nobody's end; the ids of both are in
`vllm.pids` of the folder that it runs in, and what it was asked in `vllm.asked`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_SCRIPT = """#!{python}
import argparse, json, os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

known = argparse.ArgumentParser(prog="vllm serve")
known.add_argument("serve")
known.add_argument("model")
for name in ("host", "port", "served-model-name", "dtype", "max-model-len", "chat-template-content-format"):
    known.add_argument("--" + name)
known.add_argument("--generation-config")
known.add_argument("--disable-uvicorn-access-log", action="store_true")
known.add_argument("--enforce-eager", action="store_true")
known.add_argument("--kv-cache-memory-bytes")
told = known.parse_args()
assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
does = os.environ.get("FAKE_VLLM", "serves")
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
engine = subprocess.Popen([sys.executable, "-c", deaf])
with open(r"{folder}/vllm.pids", "a") as out:
    print(os.getpid(), engine.pid, file=out, flush=True)
print("(APIServer pid=7) INFO 11-27 12:34:19 [model.py:733] Resolved architecture: LlamaForCausalLM", flush=True)
if does == "dies":
    print("(Worker pid=9) ERROR 11-27 12:34:20 [x.py:953] Traceback (most recent call last):")
    print("(Worker pid=9) ERROR 11-27 12:34:20 [x.py:953]     raise ValueError(")
    print("(Worker pid=9) ERROR 11-27 12:34:20 [x.py:953] ValueError: Free memory on device (1/8 GiB) is too little")
    print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
    sys.exit(1)
if does == "hangs":
    print("Loading safetensors:  50% | 1/2 [00:03<00:03,  3.65s/it]", flush=True)
    time.sleep(600)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send({{"data": [{{"id": told.served_model_name}}]}})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if does == "dies later":
            print("torch.OutOfMemoryError: CUDA out of memory.", flush=True)
            os._exit(1)
        with open(r"{folder}/vllm.asked", "a") as out:
            print(json.dumps({{**asked, "serve": vars(told)}}), file=out, flush=True)
        finish = "length" if asked["max_tokens"] < 5 else "stop"
        said = f"You lost it, and number {{asked['seed']}} of my words is for that."
        self.send({{"choices": [{{"message": {{"content": said}}, "finish_reason": finish}}]}})

    def send(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


ThreadingHTTPServer((told.host, int(told.port)), Handler).serve_forever()
"""


@pytest.fixture
def fake_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put one on the PATH that does what is said; returns the folder with what it writes."""

    def put(does: str = "serves") -> Path:
        bin = tmp_path / "bin"
        bin.mkdir(exist_ok=True)
        (bin / "vllm").write_text(_SCRIPT.format(python=sys.executable, folder=tmp_path), encoding="utf-8")
        (bin / "vllm").chmod(0o755)
        monkeypatch.setenv("PATH", str(bin), prepend=":")
        monkeypatch.setenv("FAKE_VLLM", does)
        return tmp_path

    return put
