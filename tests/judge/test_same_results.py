"""A panel that is asked in every way, a trained scorer and specificity: what they say of replies is what it was.

The judges are a server that answers by a hash of what it is shown, some answers of no use among them; the models are
hashes too. `golden/scored.jsonl` was written by the code before measures became instances of one protocol:

    GOLDEN=write python -m pytest tests/judge/test_same_results.py
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge import controls, scoring, verdicts
from empathic.judge.derived import at_equal_lengths, differences, judge_kappas, judges_agree, ranking
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.measures.levels import BEHAVIOURS
from empathic.judge.measures.measure import Means
from empathic.judge.replies import EvalDialogue, EvalSet
from empathic.judge.scores import Scores
from empathic.recipe import Judge
from empathic.stats.win_rate import rounded

GOLDEN = Path(__file__).parent / "golden" / "scored.jsonl"
THINGS = ("dog", "job", "keys", "hat", "boat")
TESTED = [EvalDialogue(f"d{i}", f"I lost my {thing}.", "sad" if i % 2 else "") for i, thing in enumerate(THINGS)]
SYSTEMS = {
    "base": {d.id: f"Oh, {d.id}." for d in TESTED},
    "sft": {d.id: f"How sad that it is gone, {d.id}." for d in TESTED[::2]},
    "dpo": {
        d.id: f"You must keep looking where it was, {d.id}" + ", and again" * (i % 3) for i, d in enumerate(TESTED)
    },
}
PAIRS = [("dpo", "base"), ("sft", "base"), ("dpo", "sft"), ("dpo", "stock")]


def _share(*said: Any) -> float:
    """A number in 0..1 that hangs on what is said alone."""
    return int.from_bytes(hashlib.sha256(json.dumps(said).encode()).digest()[:4]) / 2**32


class HashedPmi:
    """Specificity by hash, in the place of the untuned student."""

    def score(self, asked: Sequence[Any], advance: Callable[[], None] = lambda: None) -> list[list[float]]:
        return [[8 * _share(one.utterance, one.others, reply) - 2 for reply in one.replies] for one in asked]


class HashedLevels:
    """A trained scorer by hash."""

    def probabilities(
        self, asked: Sequence[JudgedReply], advance: Callable[[], None] = lambda: None
    ) -> list[dict[str, tuple[float, float, float]]]:
        return [{name: self._of(_share(one.utterance, one.reply, name)) for name in BEHAVIOURS} for one in asked]

    @staticmethod
    def _of(share: float) -> tuple[float, float, float]:
        return (1 - share, share / 3, 2 * share / 3)


def _answers(talking: Callable[..., Endpoint]) -> Endpoint:
    """A server whose first token is drawn by hash among the answers that the question names."""
    now = threading.local()  # a thread answers one question at a time

    def say(messages: list[dict[str, str]]) -> str:
        now.shown = json.dumps(messages)
        asked = messages[-1]["content"]
        if _share("mute", asked) < 0.1:
            return "Perhaps"
        words = ["Yes", "No"] if "yes or no" in asked else ["0", "1", "2"] if "0, 1 or 2" in asked else ["A", "B"]
        return words[int(len(words) * _share(asked))]

    def logprobs(text: str) -> Any:
        sure = 0.5 + 0.49 * _share("sure", now.shown)
        other = {"Yes": "No", "No": "Yes", "A": "B", "B": "A", "0": "1", "1": "2", "2": "1"}.get(text, "Maybe")
        top = [{"token": text, "logprob": math.log(sure)}, {"token": other, "logprob": math.log(1 - sure)}]
        return {"content": [{**top[0], "bytes": None, "top_logprobs": [{**one, "bytes": None} for one in top]}]}

    return talking(say, logprobs)


def _found(talking: Callable[..., Endpoint], folder: Path, judges: Sequence[dict[str, Any]], trained: bool) -> Any:
    systems = SYSTEMS | controls.control_systems([d.id for d in TESTED[:4]], SYSTEMS["dpo"], 0)
    asked = EvalSet(
        TESTED,
        systems,
        [*PAIRS, *controls.control_pairs()],
        unasked={"stock": dict.fromkeys(SYSTEMS["dpo"], controls.STOCK)},
    )
    endpoint = _answers(talking).urls[0]
    panel = [Judge(endpoint=endpoint, model=f"m{i}", **keys) for i, keys in enumerate(judges)]
    said: list[str] = []
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        models = {"specificity": HashedPmi()} | ({"levels": HashedLevels()} if trained else {})
        (scores,) = scoring.score([asked], Means(panel, models, 7), ledger, log=said.append)
    scores.write(folder / "scores.jsonl")
    scores = Scores.read(folder / "scores.jsonl")
    for pair in [*PAIRS, *controls.control_pairs()]:
        rows, rates = verdicts.compare(*pair, scores)
        yield from rows
        yield [[*rate.to_row().values()] for rate in rates]
        yield [[*rate.to_row().values()] for rate in at_equal_lengths(*pair, scores)]
    yield [[*row.values()] for row in differences("dpo", "sft", "base", scores)]
    yield [rounded(one) for one in ranking(scores, list(SYSTEMS))]
    yield judges_agree("dpo", "base", scores)
    yield judge_kappas("dpo", "base", scores)
    yield {
        by: {name: [*rate.to_row().values()] for name, rate in of.items()}
        for by, of in verdicts.control_rates(scores).items()
    }
    yield sorted(said)


@pytest.mark.slow
def test_scores_verdicts_and_rates_are_what_they_were(talking: Callable[..., Endpoint], tmp_path: Path) -> None:
    panel: list[dict[str, Any]] = [
        {"name": "one", "pairwise": True, "levels": True},
        {"name": "two", "levels": True},
        {"name": "three"},
    ]
    lines = []
    asked: list[tuple[list[dict[str, Any]], bool]] = [(panel, False), ([{"name": "one", "pairwise": True}], True)]
    for number, (judges, trained) in enumerate(asked):
        folder = tmp_path / str(number)
        folder.mkdir()
        lines += [json.dumps(one, ensure_ascii=False) for one in _found(talking, folder, judges, trained)]
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == GOLDEN.read_text(encoding="utf-8").splitlines()
