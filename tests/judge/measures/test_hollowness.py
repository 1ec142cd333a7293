from __future__ import annotations

import pytest

from empathic.judge.measures.hollowness import Hollowness, panel
from empathic.judge.replies import EvalDialogue

SAID = [
    "My train was late and I missed the wedding.",
    "Our cat had five kittens in a shoe box!",
    "I failed my driving test for the third time.",
    "The neighbour of thirty years moved away.",
]
FITTING = [
    "Missing a wedding for a late train, how bitter.",
    "Five kittens in one shoe box! Who found them?",
    "Three tries at that test wear anybody down.",
    "Thirty years next door, and now an empty house.",
]
HOLLOW = ["I'm so sorry to hear that. You should talk to someone."] * 4
LOOP = ["It is late. It is late. It is late. It is late."] * 4


def _dialogues() -> list[EvalDialogue]:
    return [EvalDialogue(str(i), said) for i, said in enumerate(SAID)]


def _panel(**systems: list[str]) -> dict[str, Hollowness]:
    rows = panel(_dialogues(), {name: dict(zip("0123", of, strict=False)) for name, of in systems.items()})
    return {row.system: row for row in rows}


def test_hollow_replies_and_fitting_ones_are_told_apart() -> None:
    found = _panel(fitting=FITTING, hollow=HOLLOW)
    fitting, hollow = found["fitting"], found["hollow"]
    assert (fitting.stock, hollow.stock) == (0, 1)
    assert (fitting.advises, hollow.advises) == (0, 1)
    assert (fitting.asks, hollow.asks) == (0.25, 0)
    assert (fitting.specific, hollow.specific) == (1, 0)
    assert (fitting.repeats_others, hollow.repeats_others) == (0, 1)
    assert fitting.distinct_2 > hollow.distinct_2


def test_a_loop_repeats_itself_and_an_echo_copies() -> None:
    found = _panel(loop=LOOP, echo=SAID, fitting=FITTING)
    assert found["loop"].repeats_itself == pytest.approx(1 - 3 / 10)
    assert found["fitting"].repeats_itself == 0
    assert (found["echo"].copies, found["loop"].copies) == (1, 0)


def test_openings_count_the_five_commonest_of_three_words() -> None:
    dialogues = [EvalDialogue(str(i), "Hi") for i in range(8)]
    replies = {str(i): f"{'Oh no you' if i < 3 else f'Start {i} of'} number {i}" for i in range(8)}
    assert panel(dialogues, {"a": replies})[0].openings == pytest.approx(7 / 8)  # three alike and four of five single


def test_distinct_words_are_counted_over_as_many_words() -> None:
    """The same text twice as long repeats itself; cut to the shorter one's words it does not."""
    found = _panel(short=["one two three"] + ["four"] * 3, long=["one two three one two three"] + ["four"] * 3)
    assert found["short"].n == 4
    twice = _panel(long=["one two three one two three"] + ["four"] * 3)["long"]
    assert twice.distinct_1 == pytest.approx(4 / 9)
    assert found["long"].distinct_1 > twice.distinct_1


def test_only_dialogues_that_all_answered_count() -> None:
    found = _panel(all=FITTING, some=[FITTING[0], "", "🙂", FITTING[3]])
    assert {row.n for row in found.values()} == {2}
    assert panel(_dialogues(), {"none": {}}) == []


def test_a_seed_gives_the_same_figures() -> None:
    assert _panel(a=FITTING, b=HOLLOW) == _panel(a=FITTING, b=HOLLOW)
