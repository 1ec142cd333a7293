"""A batch file that is asked on a Ray cluster: rows of questions in, rows of results out, by `ray.data.llm`.

Ray's HTTP processor sends one request of a batch after the other, and ends the whole job at the first answer that
isn't JSON. It takes a session of ours in place of aiohttp's: that sends a batch at once, waits as a server asks, and
tries again. Results are written as they come, so that a job that was killed goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from empathic import files
from empathic.endpoints import backoff, connection
from empathic.endpoints.batch_lines import MOST_BYTES, PATH
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.refusals import refusal
from empathic.errors import UserError

TRIES = 8  # of a question that fails for reasons of the server's
TOGETHER = 64  # questions of a batch
EACH = 32  # questions that a worker has at the server at a time, at most
Row = dict[str, Any]


def ask(
    questions: Sequence[Path], endpoint: Endpoint, out: Path, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Ask what files of questions hold and `out` doesn't answer yet; return how many answers came and how many errors.

    The cluster is the one that `RAY_ADDRESS` names, else one on this machine that ends with the call. Where a node is
    lost, Ray asks its questions again; a question's first result is the one that is kept.

    Args:
        questions: batch files, as `empathic teacher export-batch` writes them.
        endpoint: who is asked.
        out: the file of results, which grows.
        progress: told how many questions of how many have a result.

    Raises:
        UserError: Ray isn't installed; a line is no question, or `out` holds one that is no result; nothing is left to
            ask; the server can't be used for any of them.
    """
    asked = {id: body for path in questions for id, body in _read(path)}
    done = _cut_whole(out)
    left = [{"id": id, "body": body} for id, body in asked.items() if id not in done]
    if not left:
        raise UserError(f"{out}: every question has its result already; import them")
    answers = errors = 0
    with out.open("ab") as file:
        for row in _results(left, endpoint):
            if row["id"] in done:
                continue
            done.add(row["id"])
            file.write(row["line"].encode() + b"\n")
            file.flush()
            answers, errors = answers + row["answered"], errors + (not row["answered"])
            progress(len(done & asked.keys()), len(asked))
    return answers, errors


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """Each question's id, and its body as JSON: as columns, fields that only some have would be null in the others."""
    for number, row in enumerate(files.read_jsonl(path), 1):
        if not isinstance(row.get("custom_id"), str) or not isinstance(row.get("body"), dict):
            raise UserError(f"{path}: line {number} is no question; give a file that `export-batch` wrote")
        if row.get("url", PATH) != PATH:
            raise UserError(f"{path}: line {number} is for {row['url']}, not for {PATH}")
        yield row["custom_id"], json.dumps(row["body"], ensure_ascii=False)


def _cut_whole(out: Path) -> set[str]:
    """The ids that a file of results holds; a last line that was cut off by a kill goes."""
    if not out.exists():
        return set()
    with out.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - MOST_BYTES))
        tail = file.read()
        file.truncate(end - (len(tail) - (tail.rfind(b"\n") + 1)))
    found = {row.get("custom_id") for row in files.read_jsonl(out)}
    if not all(isinstance(id, str) for id in found):
        raise UserError(f"{out}: holds lines that are no results; give another --out")
    return found


def _results(rows: list[Row], endpoint: Endpoint) -> Iterator[Row]:
    """Results as they come from a cluster."""
    ray, llm = _ray()
    workers = -(-endpoint.max_connections // EACH)
    config = llm.HttpRequestProcessorConfig(
        url=f"{endpoint.urls[0]}/chat/completions",
        batch_size=TOGETHER,
        concurrency=workers,
        session_factory=Sessions(
            endpoint.urls[0], endpoint.key, endpoint.timeout, -(-endpoint.max_connections // workers)
        ),
    )
    processor = llm.build_processor(config, preprocess=question, postprocess=result_line)
    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        asked = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // TOGETHER))
        yield from processor(asked).iter_rows()
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise UserError(f"Ray: the job failed ({str(error.cause).splitlines()[0]})") from error
    finally:
        if ours:
            ray.shutdown()


def _ray() -> tuple[Any, Any]:
    """Ray and its batch inference, with no report sent home unless the environment wants one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data.llm as llm
    except ImportError as error:
        raise UserError(f"Ray isn't there ({error}): pip install 'empathic[ray]'") from error
    return ray, llm


def question(row: Row) -> Row:
    """What Ray's processor sends of a row, and what of it comes back."""
    return {"payload": row["body"], "id": row["id"]}


def result_line(row: Row) -> Row:
    """A row with its result, as hosts of OpenAI's batches write it."""
    came = json.loads(row["http_response"]["answer"])
    line = {"custom_id": row["id"], "response": came if came["status_code"] else None, "error": None}
    if not came["status_code"]:
        line["error"] = {"message": came["body"]}
    return {"id": row["id"], "line": json.dumps(line, ensure_ascii=False), "answered": came["status_code"] == 200}


@dataclass(frozen=True)
class Sessions:
    """What makes a worker's session; the key is shown nowhere.

    Attributes:
        server: the base URL.
        key: sent as the API key.
        timeout: seconds for an answer.
        most: questions at the server at a time.
    """

    server: str
    key: str = field(repr=False)
    timeout: float
    most: int

    def __call__(self) -> Session:
        """A session for one batch."""
        return Session(self)


class Session:
    """A session as Ray's HTTP stage uses one: it posts at once, and every answer that it gives is of use."""

    def __init__(self, made: Sessions) -> None:
        self._made = made

    async def __aenter__(self) -> Self:
        import httpx2

        client = partial(httpx2.AsyncClient, timeout=self._made.timeout)
        self._client, self._places = connection.http(self._made.server, client), asyncio.Semaphore(self._made.most)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def post(self, url: str, headers: dict[str, str], data: str) -> asyncio.Task[Came]:
        """Begin to ask; `data` is a body's JSON as a JSON string."""
        return asyncio.create_task(self._asked(url, json.loads(data)))

    async def _asked(self, url: str, body: str) -> Came:
        """What came at last, after as many tries as it takes.

        Raises:
            UserError: any other question would fare alike.
        """
        import httpx2

        head = {"content-type": "application/json", "authorization": f"Bearer {self._made.key}"}
        status, found = 0, "no answer came"
        for failures in range(TRIES):
            asked = 0.0
            try:
                async with self._places:
                    response = await self._client.post(url, content=body.encode(), headers=head)
                status, found, asked = response.status_code, response.json(), backoff.retry_after(response)
            except httpx2.HTTPError as error:
                status, found = 0, str(error) or type(error).__name__
            except ValueError:
                status, found = (0 if response.status_code == 200 else response.status_code), response.text
            if status == 200 and isinstance(found, dict) and "choices" in found:
                break
            said = refusal(status, found if status else "", self._made.key)
            if said.of_money or status == 401 or (status == 404 and not said.of_filter):
                raise UserError(f"{self._made.server}: the server takes no question ({said})")
            if status and status < 500 and status not in (200, 408, 409, 425, 429):
                break  # about this question alone
            await asyncio.sleep(max(asked, backoff.jitter(failures)))
        return Came(json.dumps({"status_code": status, "body": found}, ensure_ascii=False))


@dataclass(frozen=True)
class Came:
    """A response as Ray's HTTP stage reads one; its status is ours, since what the server's means was seen to."""

    answer: str
    status: int = 200
    reason: str = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def json(self) -> Row:
        """One column of text, whatever shape the answer has."""
        return {"answer": self.answer}
