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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from faulty import Faulty

from empathic import files
from empathic.endpoints import backoff, batch_ray, ray_session
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
        async with ray_session.Sessions(url, "sk-secret", 0.5, 8)() as session:
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


class _Says(BaseHTTPRequestHandler):
    """The same status and words to any question."""

    status, words = 429, '{"error": {"code": "insufficient_quota", "message": "key sk-secret is out of credits"}}'

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.words.encode())

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def saying(status: int, words: str) -> Iterator[str]:
    """The address of such a server."""
    handler = type("Says", (_Says,), {"status": status, "words": words})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (_Says.status, _Says.words),
        (401, '{"error": "sk-secret is no key"}'),
        (403, '{"error": {"message": "invalid api key"}}'),
        (400, '{"error": {"code": "model_not_found"}}'),
        (404, "no such page"),
    ],
    ids=["money", "key", "forbidden", "model", "address"],
)
def test_what_every_question_would_meet_ends_it_in_one_line_without_the_key(status: int, words: str) -> None:
    with saying(status, words) as url, pytest.raises(UserError, match="the server takes no question") as told:
        asked(url, range(1))
    assert "sk-secret" not in str(told.value) + repr(ray_session.Sessions(url, "sk-secret", 1.0, 1))


def test_a_server_that_is_not_there_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    with pytest.raises(UserError, match="can't be reached"):
        asked("http://127.0.0.1:9/v1", range(1))


def test_odd_answers_are_lines_that_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    odd = '{"choices": [{"message": {"content": "Oh \\ud83d"}, "finish_reason": "stop"}]}'
    with saying(200, odd) as url:
        (row,) = asked(url, range(1))
    assert result(row).answer and "\\ud83d" in json.dumps(row)
    with saying(400, '{"error": {"message": "sk-secret sent no such field"}}') as url:
        (row,) = asked(url, range(1))
    assert "no such field" in result(row).why and "sk-secret" not in json.dumps(row)
    with saying(200, '{"error": {"message": "overloaded"}}') as url:
        (row,) = asked(url, range(1))
    assert row["response"] is None and "overloaded" in row["error"]["message"]


def test_files_that_are_none_are_refused_before_ray_starts(tmp_path: Path) -> None:
    endpoint, out = Endpoint(("http://127.0.0.1:9/v1",), "m", "m"), tmp_path / "out.jsonl"
    path = tmp_path / "q.jsonl"
    path.write_text('{"custom_id": "a"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1 is no question"):
        batch_ray.ask([path], endpoint, out, lambda done, total: None)
    path.write_bytes(request_line("a", body(1)))
    for others in ('{"my": "precious"}', "precious", '{"custom_id": "a", "method', request_line("a", body(1)).decode()):
        out.write_text(others)
        with pytest.raises(UserError, match="line 1 is no result; give another --out"):
            batch_ray.ask([path], endpoint, out, lambda done, total: None)
        assert out.read_text() == others
    with pytest.raises(UserError, match="can't be read or written"):
        batch_ray.ask([path], endpoint, tmp_path, lambda done, total: None)


def test_what_has_an_answer_is_not_asked_again_and_a_line_that_a_kill_cut_off_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, path, out = Endpoint(("http://127.0.0.1:9/v1",), "m", "m"), tmp_path / "q.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(b"".join(request_line(id, body(1)) for id in "abc"))
    lines = [
        '{"custom_id": "a", "response": {"status_code": 200}}',
        '{"custom_id": "b", "response": null, "error": {}}',
    ]
    out.write_text("\n".join([*lines, '{"custom_id": "c", "resp']))
    left: list[str] = []

    def results(rows: list[dict[str, Any]], endpoint: Endpoint) -> Iterator[dict[str, Any]]:
        left.extend(row["id"] for row in rows)
        yield {"id": "b", "line": '{"custom_id": "b", "response": {"status_code": 200}}', "answered": True}
        yield {"id": "c", "line": '{"custom_id": "c", "response": null, "error": {}}', "answered": False}

    monkeypatch.setattr(batch_ray, "_results", results)
    monkeypatch.setattr(batch_ray, "_ray", lambda: None)
    seen: list[tuple[int, int]] = []
    assert batch_ray.ask([path], endpoint, out, lambda *at: seen.append(at)) == (1, 1)
    assert left == ["b", "c"] and seen == [(2, 3), (3, 3)]
    assert [row["custom_id"] for row in files.read_jsonl(out)] == ["a", "b", "b", "c"]
    out.write_text(lines[0])
    batch_ray.ask([path], endpoint, out, lambda *at: None)
    assert [row["custom_id"] for row in files.read_jsonl(out)] == ["a", "b", "c"], "a last line without its end stays"


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs empathic[ray]")
def test_a_cluster_says_why_it_ended(tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_bytes(request_line("a", body(1)))
    with saying(_Says.status, _Says.words) as url:
        command = [sys.executable, "-c", ASKING, url, str(questions), str(tmp_path / "out.jsonl")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode and "UserError: " in ended.stderr.splitlines()[-1]
    assert "the server takes no question" in ended.stderr.splitlines()[-1]


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
    assert server.counts()["most"] <= 64
    answered = server.counts()["well"]
    assert max(answered.values()) <= 2 and sum(count > 1 for count in answered.values()) <= 1024, (
        "only what was on its way when the first was killed is asked twice"
    )
