from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.endpoints import schema
from empathic.endpoints.chat_api import Request, ledger_key
from empathic.endpoints.endpoint import Capabilities, Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.llama_cpp import CAPABILITIES

SHOTS = [{"role": ("user", "assistant")[i % 2], "content": f"{i} " + "words of an example " * 20} for i in range(10)]


def _request(i: int, prefix: list[dict[str, str]] = SHOTS) -> dict[str, Any]:
    return {"model": "m", "messages": [*prefix, {"role": "user", "content": f"Is {i} even?"}], "seed": 0}


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def test_a_prefix_that_many_share_is_kept_once(tmp_path: Path) -> None:
    assert 4000 < len(json.dumps(SHOTS)) < 6000
    path = tmp_path / "l.sqlite"
    with closing(Ledger(path)) as ledger:
        ledger._db.execute("pragma synchronous=off")
        for i in range(10_000):
            ledger.put(_request(i), {"text": "Yes"}, model="m", purpose="behaviours")
    assert _size(path) < 10_000 * 500
    with closing(Ledger(path)) as ledger:
        assert ledger.get(_request(9_999)) == {"text": "Yes"}
        assert ledger.get(_request(9_999, SHOTS[2:])) is None
        rows = list(itertools.islice(ledger.rows(), 100))
        assert {row["request"]["messages"][-1]["content"] for row in rows} <= {f"Is {i} even?" for i in range(10_000)}
        assert all(row["request"]["messages"][:-1] == SHOTS for row in rows)


@pytest.mark.parametrize(
    ("capabilities", "keys"),
    [
        (Capabilities(), ("396abc73ac286444", "50347128bad34670")),
        (CAPABILITIES, ("396abc73ac286444", "ada2e526a7d54321")),
    ],
)
def test_the_keys_of_requests_stay_as_they_are(capabilities: Capabilities, keys: tuple[str, str]) -> None:
    """Whoever changes them has every answer in people's ledgers paid for again."""
    endpoint = Endpoint(("http://127.0.0.1:9/v1",), "m", "id", capabilities=capabilities)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "My dog died."}]
    asked = Request(messages, 1, top_logprobs=20), Request(messages, 64, 1.0, seed=42, grammar="root ::= x")
    assert tuple(files.digest(ledger_key(endpoint, one))[:16] for one in asked) == keys


def test_what_has_no_messages_or_one_is_kept_as_it_is(tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [{"a": 1}, {"messages": []}, {"messages": None}, _request(1, [])]
    with closing(Ledger(tmp_path / "l.sqlite")) as ledger:
        for request in odd:
            ledger.put(request, {"text": "hm"}, model="m", purpose="p")
        assert [row["request"] for row in ledger.rows()] == odd
        assert ledger._db.execute("select count(*) from prefixes").fetchone() == (0,)


def test_a_ledger_of_version_2_is_mended_and_keeps_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with closing(sqlite3.connect(path)) as db:
        old = schema._SCHEMA.split(";", 1)[1].replace(",\n    prefix integer references prefixes", "")
        db.executescript(old + "pragma user_version = 2")
        row = (files.digest(_request(1)), "m", "p", json.dumps(_request(1)), '{"text": "No"}', 3, 1, 0.1, 1, 0.5, 1.0)
        db.execute("insert into answers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.commit()
    for _ in range(2):
        with closing(Ledger(path)) as ledger:
            assert ledger.get(_request(1)) == {"text": "No"}
            ledger.put(_request(2), {"text": "Yes"}, model="m", purpose="p", cost=0.25)
            assert [row["request"] for row in ledger.rows()] == [_request(1), _request(2)]
            assert ledger.spent("m") == 0.75
