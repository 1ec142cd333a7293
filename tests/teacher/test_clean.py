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
        f"{REPLY}\n\nWords: 17",
        f"{REPLY}\n\nWhy this works:\n- it names the waiting",
        f"{REPLY}\n\n**Key improvements:**\n- it names the waiting",
        f"{REPLY}\n\nChanges made: it names the waiting.",
        f"{REPLY}\n\nExplanation of the changes: it names the waiting.",
        f"{REPLY}\n\n**Why**: it names the waiting.",
        f"{REPLY}\n\nNote (on length): I kept it short.",
        f"{REPLY}\n\nEmpathy dimension: affective",
        f"Improved Response (17 words): {REPLY}",
        f"Reply (affective): {REPLY}",
        f"**Enhanced reply:** {REPLY}",
        f"New, more compassionate reply: {REPLY}",
        f"Revised: {REPLY}",
        f"Certainly!\n\n{REPLY}",
        f"Here is the improved reply.\n\n{REPLY}",
        f"---\n\n{REPLY}\n\n---",
        f"{REPLY}\n\n* * *\n\nNote: I kept it short.",
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
        "Her reply: a shrug. And you stood there with the flowers.",
    ],
)
def test_a_reply_that_only_looks_unclean_is_kept(kept: str) -> None:
    assert clean(kept).text == kept


@pytest.mark.parametrize(
    "lines",
    [
        "Three weeks of waiting.\nWhy does it have to be so: nobody answers, nobody calls?",
        "Three weeks of waiting.\nThe response from your boss was cold, and you felt it.",
        "That hurts.\n\nNote how far you have come, though: three weeks without a drink.",
        "Three weeks of waiting.\nChange is like that: slow.",
        f"Here is a box without a reply in it.\n{REPLY}",
    ],
)
def test_no_line_of_a_reply_is_taken_for_an_afterword(lines: str) -> None:
    assert clean(lines).text == " ".join(lines.split())


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
        (f"{REPLY}\n\nUser: Thank you so much.", "label"),
        (f"{REPLY}\nHuman: Thanks.", "label"),
        (f"{REPLY}\n\nReply: {REPLY}", "label"),
        (f"Original reply: Oh.\nImproved reply: {REPLY}", "label"),
        (f"Listener: {REPLY}", "label"),
        (f"{REPLY}\n\nOr: That stings.", "several"),
        (f"*nods* {REPLY}", "marks"),
        (f"{REPLY} *hugs you*", "marks"),
        (f"_softly_ {REPLY}", "marks"),
        ('{"a": ' * 3000, "can't be read"),
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
