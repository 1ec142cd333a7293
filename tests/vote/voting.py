"""What the tests of votes have in common."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from empathic import files
from empathic.vote.ballots import votes

N = 12
SYSTEMS = ("base", "sft", "dpo")
NASTY = "<img src=x onerror=alert(1)> 🙂 شكرا"
Start = Callable[[], str]


def kept_outcomes(run: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Pair of systems -> rater -> dialogue -> outcome for the first system."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for vote in votes(run / "votes.sqlite", SYSTEMS):
        found.setdefault(vote.pair, {}).setdefault(vote.rater, {})[vote.dialogue] = vote.outcome
    return found


def rewrite(run: Path, system: str, changed: set[str]) -> None:
    """Other replies to some dialogues, as a student trained anew writes them."""
    path = run / "replies" / f"{system}.jsonl"
    rows = list(files.read_jsonl(path))
    files.write_jsonl(path, ({**row, "reply": f"GOOD {system} anew"} if row["id"] in changed else row for row in rows))


def post(url: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text


def next_pair(url: str, rater: str) -> Any:
    with urllib.request.urlopen(f"{url}/next?rater={rater}") as answer:
        return json.load(answer)


def vote_for_good(page: Any, times: int) -> None:
    for _ in range(times):
        before = page.inner_text(".count")
        left = page.inner_text("[data-choice=left] span")
        page.keyboard.press("1" if left.startswith("GOOD") else "2")
        page.wait_for_function("before => document.querySelector('.count').textContent != before", arg=before)
