from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from empathic.endpoints.chat_api import Answer, InvalidResponse, Request
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import ATTEMPTS, RequestFailed
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget
from empathic.teacher.batch import AnswerPending, BatchClient

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
