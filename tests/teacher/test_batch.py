from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from empathic.endpoints.batch_api import BatchClient
from empathic.endpoints.batch_lines import result
from empathic.endpoints.chat_api import Answer, InvalidResponse, Request
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import ATTEMPTS, AnswerPending, MessageRefused, RequestFailed
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget

ENDPOINT = Endpoint(("http://127.0.0.1:9/v1",), "m", "m")
ASKED = Request([{"role": "user", "content": "hello"}], 64, 1.0, seed=1)


def _refuse(answer: Answer) -> None:
    raise InvalidResponse("is of no use")


def test_a_request_that_was_given_up_is_asked_anew_and_stays_on_the_bill(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.sqlite")
    client = BatchClient(ENDPOINT, ledger, Budget((1.0, 1.0)))

    def day() -> str:
        """Ask, hand over, and let the batch bring an answer that costs one US dollar and is of no use."""
        with pytest.raises(AnswerPending):
            asyncio.run(client.answer(ASKED, "p", _refuse))
        ((id, _),) = client.wanted.items()
        client.wanted.clear()
        ledger.mark_submitted("batch", "m", {id: "p"})
        ledger.store_batch_result(id, asdict(Answer("hm", "stop", {})), "", (10, 1), 1.0)
        return id

    first = [day() for _ in range(ATTEMPTS)]
    with pytest.raises(RequestFailed, match="of no use"):
        asyncio.run(client.answer(ASKED, "p", _refuse))
    assert client.given_up == first
    ledger.reset_attempts(client.given_up)
    again = day()
    assert again == first[0]
    assert asyncio.run(client.answer(ASKED, "p")).text == "hm"
    bill = ledger.bill()[0]
    assert (bill["answers"], bill["wasted"], bill["cost"]) == (1, ATTEMPTS, ATTEMPTS + 1.0)


def _brought(client: BatchClient, response: dict[str, object]) -> None:
    """Ask, hand over, and let the batch bring this."""
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))
    ((id, _),) = client.wanted.items()
    client.ledger.mark_submitted("batch", "m", {id: "p"})
    client._keep(result({"custom_id": id, "response": response}))


def test_a_line_of_a_batch_is_read_as_any_other_answer(tmp_path: Path) -> None:
    client = BatchClient(ENDPOINT, Ledger(tmp_path / "l.sqlite"), Budget())
    parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Oh no.<|im_end|>"}]
    _brought(client, {"status_code": 200, "body": {"choices": [{"message": {"content": parts}}]}})
    assert asyncio.run(client.answer(ASKED, "p")) == Answer("Oh no.", "stop", {})


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 400, "body": {"error": {"message": "Filtered: our content management policy."}}},
        {"status_code": 200, "body": {"choices": [{"message": {"content": "Oh"}, "finish_reason": "content_filter"}]}},
    ],
)
def test_a_line_that_a_filter_stops_is_asked_once_a_run(tmp_path: Path, response: dict[str, object]) -> None:
    client = BatchClient(ENDPOINT, Ledger(tmp_path / "l.sqlite"), Budget())
    _brought(client, response)
    with pytest.raises(MessageRefused, match=r"[Ff]ilter"):
        asyncio.run(client.answer(ASKED, "p"))
    client.ledger.reset_attempts(client.given_up)
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))


@pytest.mark.parametrize("response", [None, [], "x", {}, {"status_code": 200}, {"status_code": None, "body": [1]}])
def test_a_garbled_line_is_handed_over_again(tmp_path: Path, response: dict[str, object]) -> None:
    client = BatchClient(ENDPOINT, Ledger(tmp_path / "l.sqlite"), Budget())
    _brought(client, response)
    client.wanted.clear()
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))
    assert len(client.wanted) == 1


def test_what_a_line_was_refused_for_is_left_out_of_those_to_come(tmp_path: Path) -> None:
    client = BatchClient(Endpoint(("http://127.0.0.1:9/v1",), "m", "m"), Ledger(tmp_path / "l.sqlite"), Budget())
    fault = [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    _brought(client, {"status_code": 422, "body": {"detail": fault}})
    client.wanted.clear()
    with pytest.raises(AnswerPending):
        asyncio.run(client.answer(ASKED, "p"))
    ((_, asked),) = client.wanted.values()
    assert asked.keys() == {"model", "messages", "max_tokens", "temperature"}
