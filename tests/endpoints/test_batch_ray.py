"""Batch files asked by Ray's processor: the session on its own, and a cluster on this machine that is killed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from faulty import Faulty

from empathic import files
from empathic.endpoints import backoff, batch_ray
from empathic.endpoints.batch_lines import request_line, result
from empathic.endpoints.endpoint import Endpoint
from empathic.errors import UserError

N = 10_000
ASKING = """
import sys
from pathlib import Path
from empathic.endpoints import batch_ray
from empathic.endpoints.endpoint import Endpoint

url, questions, out = sys.argv[1:]
endpoint = Endpoint((url,), "m", "m", max_connections=64, timeout=2.0)
print(*batch_ray.ask([Path(questions)], endpoint, Path(out), lambda done, total: None))
"""


def body(number: int) -> dict[str, Any]:
    said = [{"role": "user", "content": f"My boat number {number} sank."}]
    return {"model": "m", "messages": said, "max_tokens": 60, "temperature": 0.0, "seed": 0}


def asked(url: str, numbers: range) -> list[dict[str, Any]]:
    """Results of one batch as Ray's HTTP stage has a session bring them."""

    async def batch() -> list[dict[str, Any]]:
        async with batch_ray.Sessions(url, "sk-secret", 0.5, 8)() as session:
            sent = [session.post(f"{url}/chat/completions", {}, json.dumps(json.dumps(body(i)))) for i in numbers]
            found = []
            for number, request in zip(numbers, sent, strict=True):
                async with await request as response:
                    assert response.status == 200
                    row = {"id": str(number), "http_response": await response.json()}
                found.append(json.loads(batch_ray.result_line(row)["line"]))
            return found

    return asyncio.run(batch())


def test_a_batch_is_asked_at_once_and_again_until_it_is_answered(
    faulty: Callable[..., Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    server = faulty("--faults", 0.4, "--latency", 0.02, "--only", "429", "--only", "500", "--only", "truncated")
    found = asked(server.url, range(60))
    assert [row["custom_id"] for row in found] == [str(number) for number in range(60)]
    assert all(result(row).answer for row in found)
    counts = server.counts()
    assert sum(counts["came"].values()) > 60 and set(counts["well"].values()) == {1}
    assert 2 <= counts["most"] <= 8


def test_what_a_server_refuses_of_one_question_is_its_result(faulty: Callable[..., Faulty]) -> None:
    found = asked(faulty("--takes-no", "seed").url, range(2))
    assert [row["response"]["status_code"] for row in found] == [400, 400]
    assert "Unsupported parameter" in result(found[0]).why


class _Broke(BaseHTTPRequestHandler):
    """An account without money, for any question."""

    def do_POST(self) -> None:
        self.send_response(429)
        self.end_headers()
        self.wfile.write(b'{"error": {"code": "insufficient_quota", "message": "key sk-secret is out of credits"}}')

    def log_message(self, *_: Any) -> None: ...


def test_an_empty_account_ends_it_in_one_line_without_the_key() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Broke) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        with pytest.raises(UserError, match="the server takes no question") as told:
            asked(url, range(1))
        server.shutdown()
    assert "sk-secret" not in str(told.value) + repr(batch_ray.Sessions(url, "sk-secret", 1.0, 1))


def test_files_that_are_none_are_refused_before_ray_starts(tmp_path: Path) -> None:
    endpoint, out = Endpoint(("http://127.0.0.1:9/v1",), "m", "m"), tmp_path / "out.jsonl"
    path = tmp_path / "q.jsonl"
    path.write_text('{"custom_id": "a"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1 is no question"):
        batch_ray.ask([path], endpoint, out, lambda done, total: None)
    path.write_bytes(request_line("a", body(1)))
    out.write_text('{"custom_id": "a", "response": null, "error": {"message": "x"}}\n{"custom_id": "b", "resp')
    with pytest.raises(UserError, match="every question has its result already"):
        batch_ray.ask([path], endpoint, out, lambda done, total: None)
    assert out.read_text().endswith("}}\n"), "a line that a kill cut off is gone"


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs empathic[ray]")
def test_a_cluster_that_is_killed_halfway_goes_on(faulty: Callable[..., Faulty], tmp_path: Path) -> None:
    server = faulty("--faults", 0.3)
    questions, out = tmp_path / "questions.jsonl", tmp_path / "results.jsonl"
    questions.write_bytes(b"".join(request_line(str(number), body(number)) for number in range(N)))
    command = [sys.executable, "-c", ASKING, server.url, str(questions), str(out)]
    first = subprocess.Popen(command, start_new_session=True)
    while not out.exists() or out.read_bytes().count(b"\n") < N // 2:
        assert first.poll() is None
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    half = out.read_bytes().count(b"\n")
    assert half < N
    ended = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert ended.returncode == 0, ended.stderr
    rows = list(files.read_jsonl(out))
    assert Counter(row["custom_id"] for row in rows) == {str(number): 1 for number in range(N)}
    assert sum(row["response"] is None or row["response"]["status_code"] != 200 for row in rows) == 0
    answered = server.counts()["well"]
    assert max(answered.values()) <= 2 and sum(count > 1 for count in answered.values()) <= 1024, (
        "only what was on its way when the first was killed is asked twice"
    )
