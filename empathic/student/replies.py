"""A student's replies to dialogues, as reply files hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from empathic import files
from empathic.dialogues import Dialogue
from empathic.endpoints.chat_api import REFUSED, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.errors import UserError
from empathic.recipe import Student
from empathic.student import prompt


def write(
    path: Path,
    endpoint: Endpoint,
    name: str,
    dialogues: Sequence[Dialogue],
    settings: Student,
    ledger: Ledger,
    purpose: str,
    advance: Callable[[], None],
    seed: int = 0,
) -> float:
    """Have a student reply to dialogues, write the rows, and return the share of replies that ended by themselves.

    Args:
        path: where the rows go: id, emotion, situation, utterance, reply.
        endpoint: the student, served.
        name: what errors call it.
        dialogues: what it replies to.
        settings: its instruction, temperature and longest reply.
        ledger: keeps every answer as it comes; a pass that was stopped goes on from there.
        purpose: what the ledger files them under.
        advance: called once for every answer.
        seed: of the sampling; greedy replies have none.

    Raises:
        UserError: it can't be asked, or a message is too long for it.
    """
    told = prompt.instruction(settings.prompt)
    requests = [
        Request(prompt.messages(told, d.utterance), settings.max_tokens, settings.temperature, seed=seed)
        for d in dialogues
    ]
    answers = list(ask(endpoint, requests, ledger, purpose, advance))
    if long := [d.id for d, answer in zip(dialogues, answers, strict=True) if answer.finish == REFUSED]:
        raise UserError(f"{name}: {len(long)} messages are too long for it, {long[0]!r} among them")
    files.write_jsonl(
        path,
        (
            {
                "id": d.id,
                "emotion": d.emotion,
                "situation": d.situation,
                "utterance": d.utterance,
                "reply": answer.text,
            }
            for d, answer in zip(dialogues, answers, strict=True)
        ),
    )
    return sum(answer.finish == "stop" for answer in answers) / max(1, len(answers))
