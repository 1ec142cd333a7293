from __future__ import annotations

import pytest

from empathic.teacher.clean import UncleanReply, clean

REPLY = "Three weeks of waiting, and still no letter. No wonder you check the box twice a day."


@pytest.mark.parametrize(
    "answer",
    [
        REPLY,
        f"  {REPLY}\r\n",
        f'"{REPLY}"',
        f"“{REPLY}”",
        f"Reply: {REPLY}",
        f"**Improved Response:** {REPLY}",
        f"### Improved reply:\n\n> {REPLY}",
        f"Sure! Here's a more empathetic version:\n\n{REPLY}",
        f'Here is the improved reply: "{REPLY}"',
        f"I've rewritten it as follows:\n{REPLY}",
        f"```\n{REPLY}\n```",
        f"My more empathetic response: {REPLY}",
        f"{REPLY}\n\n(This reply shows understanding and care.)",
        f"{REPLY}\n\nNote: I kept it short.",
        f"{REPLY}\n\n**Explanation:** it names the waiting.\n- and the letter",
        f"{REPLY}\n(17 words)",
        REPLY.replace("still no letter", "**still** no letter"),
        REPLY.replace(". No", ".\n\nNo"),
    ],
)
def test_the_reply_alone_is_left(answer: str) -> None:
    assert clean(answer).text == REPLY


@pytest.mark.parametrize(
    ("answer", "dimension"),
    [
        (f"Dimension: affective\nReply: {REPLY}", "affective"),
        (f"**Dimension:** Cognitive\n**Reply:** {REPLY}", "cognitive"),
        (f'Lacking dimension: compassionate empathy\n\n"{REPLY}"', "compassionate"),
        (f"Sure, here it is:\nDimension: affective (it names no feeling)\nReply: {REPLY}", "affective"),
    ],
)
def test_a_named_dimension_is_taken_off_and_kept(answer: str, dimension: str) -> None:
    cleaned = clean(answer, picks=True)
    assert (cleaned.text, cleaned.dimension) == (REPLY, dimension)


@pytest.mark.parametrize(
    "kept",
    [
        "Here's to you: forty years in one workshop!",
        "So sorry to hear that the person you trusted most let you down.",
        'She said "not today" and shut the door. That stings.',
        "'Not today', and then the door shut. That stings.",
        "Sure sounds like a long night.",
        "I can't help smiling at that puppy of yours.",
        "Of course you're tired: two shifts and a baby.",
        "这太难了，我能理解。",  # noqa: RUF001
        "🙂 Four legs, two crutches, one finish line!",
        "That reply from your boss was cold.",
        "1) is a fine number, and so is your son's first place.",
    ],
)
def test_a_reply_that_only_looks_unclean_is_kept(kept: str) -> None:
    assert clean(kept).text == kept


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "empty"),
        ('""', "empty"),
        ("Reply:", "empty"),
        ("...", "empty"),
        ("so " * 98, "98 words"),
        ("很难过" * 70, "105 words"),
        ("I'm sorry, but I can't help with that.", "refuses"),
        ("As an AI, I don't have dogs, but yours sounds lovely.", "model"),
        ("This shows cognitive empathy for your loss.", "task"),
        ("The original reply was too short for so much grief.", "task"),
        ("Option 1: That hurts.\nOption 2: That stings.", "several"),
        ("Dear [Name], that must have hurt.", "gap"),
    ],
)
def test_what_is_no_reply_is_refused(answer: str, why: str) -> None:
    with pytest.raises(UncleanReply, match=why):
        clean(answer)


def test_a_missing_dimension_and_an_old_reply_are_refused() -> None:
    with pytest.raises(UncleanReply, match="dimension"):
        clean(REPLY, picks=True)
    with pytest.raises(UncleanReply, match="improve"):
        clean(f'"{REPLY.upper()}"', before=REPLY)
