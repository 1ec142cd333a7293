"""Tokens on disk: the same as in memory, whole or made anew, written once among processes, and never held."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from empathic.errors import UserError
from empathic.student.encoded import encoded, lengths
from empathic.student.lessons import Row

WORDS = 100  # of a row


def _rows(count: int) -> Any:
    return lambda: ({"id": i, "said": f"{i % 200} " * WORDS} for i in range(count))


def _encode(row: Row) -> dict[str, list[int]]:
    ids = [int(word) for word in row["said"].split()]
    return {"input_ids": ids, "labels": [-100, *ids[1:]], "some": ids[: row["id"] % 7]}


def _arrow(folder: Path) -> list[Path]:
    return list(folder.glob("*tokens-*"))


def test_rows_come_back_as_they_were_encoded_in_their_order(tmp_path: Path) -> None:
    tokens = encoded(_rows(1203), _encode, tmp_path / "sub")
    assert list(tokens) == [_encode(row) for row in _rows(1203)()]
    assert tokens[700] == _encode({"id": 700, "said": "100 " * WORDS})
    assert lengths(tokens, "some").tolist() == [i % 7 for i in range(1203)]


def test_a_file_is_used_again_and_one_of_other_rows_or_tokens_is_not(tmp_path: Path) -> None:
    calls = 0

    def counting(row: Row) -> dict[str, list[int]]:
        nonlocal calls
        calls += 1
        return _encode(row)

    encoded(_rows(20), counting, tmp_path)
    encoded(_rows(20), counting, tmp_path)
    assert calls == 1 + 20 + 1, "the first row says whether the tokens are the same"
    (before,) = _arrow(tmp_path)
    assert len(encoded(_rows(21), _encode, tmp_path)) == 21
    assert not before.exists() and len(_arrow(tmp_path)) == 1
    other = encoded(_rows(21), lambda row: {**_encode(row), "some": [1]}, tmp_path)
    assert other["some"][20] == [1] and len(_arrow(tmp_path)) == 1


def _killed(folder: Path) -> None:
    def dies(row: Row) -> dict[str, list[int]]:
        if row["id"] == 700:
            os.kill(os.getpid(), signal.SIGKILL)
        return _encode(row)

    encoded(_rows(800), dies, folder)


def test_what_a_kill_left_half_written_is_made_anew(tmp_path: Path) -> None:
    one = multiprocessing.get_context("fork").Process(target=_killed, args=(tmp_path,))
    one.start()
    one.join(30)
    assert one.exitcode == -signal.SIGKILL
    (torn,) = _arrow(tmp_path)
    assert torn.suffix == ".part" and torn.stat().st_size > 0
    assert list(encoded(_rows(800), _encode, tmp_path)) == [_encode(row) for row in _rows(800)()]
    assert not torn.exists() and len(_arrow(tmp_path)) == 1


def test_a_row_that_cant_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    def refuses(row: Row) -> dict[str, list[int]]:
        if row["id"] == 700:
            raise UserError("no such template")
        return _encode(row)

    with pytest.raises(UserError, match="no such template"):
        encoded(_rows(900), refuses, tmp_path)
    assert not _arrow(tmp_path)


def _noted(folder: Path, ready: Any) -> None:
    def notes(row: Row) -> dict[str, list[int]]:
        with (folder / "calls").open("a") as out:
            out.write(f"{os.getpid()}\n")
        return _encode(row)

    ready.wait()
    assert len(encoded(_rows(300), notes, folder / "cache")) == 300


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(3)
    ours = [fork.Process(target=_noted, args=(tmp_path, ready)) for _ in range(3)]
    for one in ours:
        one.start()
    for one in ours:
        one.join(30)
    assert [one.exitcode for one in ours] == [0, 0, 0]
    assert len((tmp_path / "calls").read_text().split()) == 300 + 3
    assert len(_arrow(tmp_path / "cache")) == 1


def test_many_rows_need_no_more_memory_than_few(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    peaks = []
    for count in (600, 2400):
        path.write_text("".join(json.dumps(row) + "\n" for row in _rows(count)()), encoding="utf-8")

        def rows() -> Iterator[Row]:
            with path.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)

        tracemalloc.start()
        tokens = encoded(rows, _encode, tmp_path / "cache")
        assert len(tokens) == count and lengths(tokens, "labels").max() == WORDS
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.25 * peaks[0], "as lists, four times as many rows take four times as much"
