"""What a batch brings, fetched over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from habits import REPLY, Sent, refused, said
from serving import Handler, servers

from empathic.endpoints.batch_api import BatchClient
from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import AnswerPending, NoRoomToAnswer
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget
from empathic.errors import UserError

ASKED = Request([{"role": "user", "content": "My dog died."}], 64, 1.0, seed=1)


@pytest.fixture
def batches() -> Iterator[Callable[[dict[str, Sent]], str]]:
    """Start a server that sends these by the end of the path; all else is refused, with the key in its words."""
    with servers() as begin:

        def start(sends: dict[str, Sent]) -> str:
            class Batches(Handler):
                def do_GET(self) -> None:
                    wrong = refused(401, "Incorrect API key provided: sk-secret.")
                    sent = next((sent for path, sent in sends.items() if self.path.endswith(path)), wrong)
                    self.send(sent.status, sent.data(), {"Content-Type": "application/json"})

            return begin(Batches)

        yield start


def _client(url: str, folder: Path) -> tuple[BatchClient, str]:
    """A client whose request is in the batch b1, and the id of its line."""
    client = BatchClient(Endpoint((url,), "m", "m", key="sk-secret"), Ledger(folder / "l"), Budget())
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))
    ((id, _),) = client.wanted.items()
    client.ledger.mark_submitted("b1", "m", {id: "p"})
    client.wanted.clear()
    return client, id


def _over(*lines: str) -> dict[str, Sent]:
    batch = {"id": "b1", "object": "batch", "status": "completed", "output_file_id": "f1"}
    return {"/batches/b1": Sent(200, batch), "/files/f1/content": Sent(200, "\n".join(lines))}


def _line(id: str, sent: Sent) -> str:
    row = {"custom_id": id, "response": {"status_code": sent.status, "body": sent.body}}
    return json.dumps(row, ensure_ascii=False)


def _brought(batches: Any, folder: Path, *sent: Sent | str) -> BatchClient:
    sends: dict[str, Sent] = {}
    client, id = _client(batches(sends), folder)
    sends |= _over(*(one if isinstance(one, str) else _line(id, one) for one in sent))
    assert client.fetch() == (0, 0)
    return client


def test_a_refused_key_is_not_shown_though_the_server_does(batches, tmp_path: Path) -> None:
    client, _ = _client(batches({}), tmp_path)
    with pytest.raises(UserError, match=r"401: Incorrect API key provided: …") as caught:
        client.fetch()
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\u2029"])
def test_ends_of_lines_within_an_answer_cut_no_line_of_a_batch(batches, tmp_path: Path, end: str) -> None:
    client = _brought(batches, tmp_path, said(f"So sorry{end}for you."))
    assert asyncio.run(client.answer(ASKED, "p")).text == f"So sorry{end}for you."


def test_a_garbled_line_costs_no_other_its_answer(batches, tmp_path: Path) -> None:
    client = _brought(batches, tmp_path, '{"custom_id": "x', "[1]", said())
    assert asyncio.run(client.answer(ASKED, "p")) == Answer(REPLY, "stop", {})


def test_thoughts_that_take_all_the_tokens_cost_one_batch_a_run(batches, tmp_path: Path) -> None:
    client = _brought(batches, tmp_path, said(None, "length", {"reasoning_content": "Hmm"}))
    with pytest.raises(NoRoomToAnswer, match="thinks first"):
        asyncio.run(client.answer(ASKED, "p"))
    assert not client.wanted
    client.ledger.reset_attempts(client.given_up)
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))
