from __future__ import annotations

from pathlib import Path

import pytest

from empathic.dialogues import Dialogue
from empathic.errors import UserError
from empathic.teacher import strategies
from empathic.teacher.strategies import DIMENSIONS, IMPROVING, NAMES, load_strategy

DIALOGUE = Dialogue("d", "They {lost} the keys.", situation="My sons took the car.")


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_shows_the_dialogue_the_reply_and_the_length(name: str) -> None:
    strategy = load_strategy(name)
    said = strategy.ask(0, DIALOGUE, "Oh {dear}.")
    assert "Message: They {lost} the keys." in said
    assert "Situation: My sons took the car." in said
    assert ("Oh {dear}." in said) == strategy.improves
    for turn in range(len(strategy.turns)):
        assert "28 words" in strategy.ask(turn, DIALOGUE)
        assert "97" in strategy.ask(turn, DIALOGUE)


def test_the_dimensions_are_asked_for_as_the_strategy_says() -> None:
    def named(text: str) -> list[str]:
        return [dimension for dimension in DIMENSIONS if dimension in text.lower()]

    assert len(IMPROVING) == 7
    assert [named(turn) for turn in load_strategy("in-sequence").turns] == [[dimension] for dimension in DIMENSIONS]
    for dimension in DIMENSIONS:
        assert named(load_strategy(dimension).turns[0]) == [dimension]
    assert (
        named(load_strategy("three-dimensions").turns[0])
        == named(load_strategy("lacking-dimension").turns[0])
        == list(DIMENSIONS)
    )
    assert named(load_strategy("naive").turns[0]) == []
    assert [name for name in NAMES if load_strategy(name).picks] == ["lacking-dimension"]


def test_a_dialogue_without_a_situation_shows_its_message_alone() -> None:
    assert "Situation" not in load_strategy("direct").ask(0, Dialogue("d", "hello"))


def test_a_recipe_may_bring_its_own_words_and_their_version_changes(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("Nicer, {{please}}: {utterance} / {reply}\n---\nNicer still.\n", encoding="utf-8")
    strategy = load_strategy("naive", {"naive": str(own)})
    assert [strategy.ask(turn, DIALOGUE, "Oh.") for turn in (0, 1)] == [
        "Nicer, {please}: They {lost} the keys. / Oh.",
        "Nicer still.",
    ]
    assert strategy.version != load_strategy("naive").version


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{dialogue} {reply} {mood}", r"own\.txt: unknown placeholder \{mood\}"),
        ("{dialogue} {reply.upper} x", "unknown placeholder"),
        ("{dialogue} {0} {reply}", "unknown placeholder"),
        ("{dialogue} {reply", "braces"),
        ("{dialogue}", "reply} is missing"),
        ("{reply}", "dialogue} is missing"),
        ("{dialogue} {reply}\n---\n", "empty turn"),
        ("", "empty turn"),
    ],
)
def test_a_prompt_file_that_cannot_work_is_refused(tmp_path: Path, text: str, says: str) -> None:
    own = tmp_path / "own.txt"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        load_strategy("naive", {"naive": str(own)})


def test_a_missing_file_and_an_unknown_strategy_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"teacher\.prompts\.naive"):
        load_strategy("naive", {"naive": str(tmp_path / "gone.txt")})
    with pytest.raises(UserError, match="lacking-dimension"):
        strategies.load_strategy("lacking")
