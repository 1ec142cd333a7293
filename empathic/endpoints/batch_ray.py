"""A batch file that is asked on a Ray cluster: rows of questions in, rows of results out, by `ray.data.llm`.

Ray's HTTP processor sends one request of a batch after the other, and ends the whole job at the first answer that
isn't JSON. It takes a session of ours in place of aiohttp's: that sends a batch at once, waits as a server asks, and
tries again. Results are written as they come, so that a job that was killed goes on from there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from empathic import files
from empathic.endpoints.batch_lines import PATH
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ray_session import Sessions
from empathic.errors import UserError

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
        UserError: Ray isn't installed; a line is no question, or `out` holds one that is no result or can't be written;
            nothing is left to ask; the server can't be used for any of them.
    """
    asked = {id: body for path in questions for id, body in _read(path)}
    done = _begun(out)
    left = [{"id": id, "body": body} for id, body in asked.items() if id not in done]
    if not left:
        raise UserError(f"{out}: every question has its answer or refusal already; import them")
    _ray()
    came, answers, known = set(done), 0, len(asked) - len(left)
    with _appended(out) as file:
        for row in _results(left, endpoint):
            if row["id"] in came:
                continue
            came.add(row["id"])
            file.write(row["line"].encode() + b"\n")
            file.flush()
            answers += row["answered"]
            progress(known + len(came) - len(done), len(asked))
    return answers, len(came) - len(done) - answers


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """Each question's id, and its body as JSON: as columns, fields that only some have would be null in the others."""
    for number, row in enumerate(files.read_jsonl(path), 1):
        if not isinstance(row.get("custom_id"), str) or not isinstance(row.get("body"), dict):
            raise UserError(f"{path}: line {number} is no question; give a file that `export-batch` wrote")
        if row.get("url", PATH) != PATH:
            raise UserError(f"{path}: line {number} is for {row['url']}, not for {PATH}")
        yield row["custom_id"], json.dumps(row["body"], ensure_ascii=False)


_BEGINNING = b'{"custom_id":'  # of a line of results


def _begun(out: Path) -> set[str]:
    """The ids that a file of results has an answer or a refusal to; a last line that a kill cut off goes.

    A question whose tries failed for reasons of the server's has a line without `response`, and isn't among them.
    """
    found, end, whole = set(), 0, True
    try:
        for number, line in enumerate(out.open("rb") if out.exists() else (), 1):
            whole = line.endswith(b"\n")
            if not line.strip():
                end += len(line)
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                if not whole and number > 1 and line[:13] == _BEGINNING[: len(line)] and b'"method"' not in line:
                    whole = True
                    break
                row = None
            if not isinstance(row, dict) or "custom_id" not in row or not row.keys() & {"response", "error"}:
                raise UserError(f"{out}: line {number} is no result; give another --out")
            if row.get("response"):
                found.add(str(row["custom_id"]))
            end += len(line)
        if out.exists():
            with out.open("rb+") as file:
                file.truncate(end)
                file.seek(end)
                file.write(b"" if whole else b"\n")
    except OSError as error:
        raise UserError(f"{out}: can't be read or written ({error.strerror or error})") from error
    return found


@contextmanager
def _appended(out: Path) -> Iterator[BinaryIO]:
    """The file, to write on at its end."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("ab") as file:
            yield file
    except OSError as error:
        raise UserError(f"{out}: can't be written ({error.strerror or error})") from error


def _results(rows: list[Row], endpoint: Endpoint) -> Iterator[Row]:
    """Results as they come from a cluster."""
    ray, llm = _ray()
    workers = max(1, endpoint.max_connections // EACH)
    config = llm.HttpRequestProcessorConfig(
        url=f"{endpoint.urls[0].rstrip('/')}/chat/completions",
        batch_size=TOGETHER,
        concurrency=workers,
        session_factory=Sessions(endpoint.urls[0], endpoint.key, endpoint.timeout, endpoint.max_connections // workers),
    )
    processor = llm.build_processor(config, preprocess=question, postprocess=result_line)
    ours = not ray.is_initialized()
    try:
        if ours:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars, context.raise_original_map_exception = False, True
        asked = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // TOGETHER))
        yield from processor(asked).iter_rows()
    except (ray.exceptions.RayError, ConnectionError, TimeoutError) as error:
        cause = getattr(error, "cause", None) or error
        said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise UserError(said if isinstance(cause, UserError) else f"Ray: the job failed ({said})") from error
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
    """A row with its result, as hosts of OpenAI's batches write it, and that no batch's price was paid."""
    came = json.loads(row["http_response"]["answer"])
    line = {"custom_id": row["id"], "response": came if came["status_code"] else None, "error": None, "live": True}
    if not came["status_code"]:
        line["error"] = {"message": came["body"]}
    return {"id": row["id"], "line": json.dumps(line), "answered": came["status_code"] == 200}
