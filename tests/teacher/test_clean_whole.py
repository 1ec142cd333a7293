"""What is around a reply comes off whole or not at all, whatever it is, and whatever is in the reply."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from empathic.teacher import quotes
from empathic.teacher.clean import UncleanReply, clean

QUOTES = [
    f"{opens}{{}}{closes}"
    for opens, closes in zip("“„„”«»»‹›「『‘’‚'\"`", "”“””»«»›‹」』’’‘'\"`", strict=True)  # noqa: RUF001
]
LABELLED = [
    "Reply: {}",
    "Improved response:\n{}",
    "**Reply:** {}",
    "**Reply**: {}",
    "*Improved reply:* {}",
    "### Improved reply\n\n{}",
    "**Improved response**\n\n{}",
    "Dimension: affective\nReply: {}",
    "Dimension: affective. Reply: {}",
    "**Dimension:** affective (it names no feeling)\n\n**Reply:** {}",
    "Sure! Here is the improved reply: {}",
    "Sure, here it is:\n\n{}",
    "Assistant: {}",
    "{}\n\nNote: I kept it short.",
    "{} (17 words)",
    "Verbesserte Antwort: {}",
    "Natürlich! Hier ist die verbesserte Antwort:\n\n{}",
    "Réponse améliorée : {}",
    "Voici la réponse améliorée :\n{}",
    "Respuesta mejorada:\n{}",
    "Resposta: {}",
    "Risposta migliorata: {}",
    "Улучшенный ответ: {}",
    "改进后的回复：{}",  # noqa: RUF001
    "以下是改进后的回复：\n{}",  # noqa: RUF001
    "改善された返信：{}",  # noqa: RUF001
    "개선된 답변: {}",
    "الرد المحسن: {}",
    "Jawaban yang lebih baik: {}",
    "उत्तर: {}",
    "উত্তর: {}",
    "جواب: {}",
]
MARKED = [
    "1. {}",
    "1) {}",
    "- {}",
    "• {}",
    "> {}",
    "```\n{}\n```",
    "```text\n{}\n```",
    "*{}*",
    "**{}**",
    "***{}***",
    "_{}_",
    "\\boxed{{{}}}",
    "$\\boxed{{\\text{{{}}}}}$",
    "<reply>{}</reply>",
    "[Reply]: {}",
]
DATA = ['{{"reply": {}}}', '{{"dimension": "affective", "reply": {}}}', "[{}]", '```json\n{{"text": {}}}\n```', "{}"]
SPOKEN = [
    "Three weeks of waiting, and still no letter.",
    "It's the dogs’ bowl that you can't walk past.",  # noqa: RUF001
    "No wonder you check the box twice a day!",
    "她等了三个星期，还是没有信。",  # noqa: RUF001
    "Тихий дом без него.",
    "Que de silence dans cette maison.",
]
QUOTED = [
    'She said: "Go."',
    'The word "cancer" changes every morning.',
    '"Not today," he said, and: "Never."',
    "“Not today,” he said, and shut the door. “Never.”",
    "«Jamais», dit-elle, et puis: «Va.»",
    "„Nie“, sagte er, und dann: „Geh.“",
    "他说「再见」就走了。",
    "‘Never,’ she said, ‘not now.’",  # noqa: RUF001
    "'Never,' she said, 'not now.'",
]


def wrapped(wrapper: str, reply: str) -> str:
    return wrapper.format(json.dumps(reply) if wrapper in DATA else reply)


@st.composite
def replies(draw: st.DrawFn) -> str:
    """A sentence at least, quotations anywhere among the others; long enough to be no stage direction in italics."""
    parts = [draw(st.sampled_from(SPOKEN)), draw(st.sampled_from(SPOKEN + QUOTED)), SPOKEN[0]]
    return " ".join(draw(st.permutations(parts)))


ENDED = 'She looked at you for a long while, and said: "Go."'
BEGUN_AND_ENDED = '"Go," she said, and a whole week later: "Why are you not here?"'


@pytest.mark.parametrize("reply", [*(f"{SPOKEN[0]} {quoted}" for quoted in QUOTED), ENDED, BEGUN_AND_ENDED])
def test_every_wrapper_comes_off_every_reply(reply: str) -> None:
    assert clean(reply).text == reply
    for wrapper in (*QUOTES, *LABELLED, *MARKED, *DATA):
        assert clean(wrapped(wrapper, reply)).text == reply, wrapper


@given(replies(), st.sampled_from(QUOTES), st.sampled_from(LABELLED), st.sampled_from(MARKED), st.sampled_from(DATA))
def test_wrappers_within_wrappers_come_off(reply: str, quote: str, label: str, mark: str, data: str) -> None:
    for layers in ((quote, label), (mark, label), (quote, data), (label, data), (quote, mark)):
        answer = reply
        for layer in layers:
            assume(layer in DATA or layer.format("{}") not in ("*{}*", "_{}_") or not set("*_") & set(answer))
            answer = wrapped(layer, answer)
        cleaned = clean(answer).text
        assert cleaned == reply, answer
        assert clean(cleaned).text == cleaned
        assert Counter(mark for mark in cleaned if mark in '"“”„«»') == Counter(m for m in reply if m in '"“”„«»')


_PIECES = [
    '"',
    "“",
    "”",
    "«",
    "»",
    "'",
    "*",
    "**",
    "- ",
    "1. ",
    "Reply:",
    "\n",
    " ",
    "```",
    "{",
    "}",
    "(3 words)",
    "a.",
]


@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.sampled_from(SPOKEN + QUOTED)), min_size=1, max_size=9))
def test_cleaning_twice_is_cleaning_once_and_no_quote_is_left_alone(parts: list[str]) -> None:
    try:
        once = clean("".join(parts)).text
    except UncleanReply:
        return
    assert clean(once).text == once
    assert not quotes.is_odd(once)


@pytest.mark.parametrize(
    "answer",
    [
        '{"dimension": "affective", "reply": "Three weeks, and still no letter."}',
        "Dimension: affective\nReply: “Three weeks, and still no letter.”",
    ],
)
def test_a_dimension_is_kept_out_of_what_it_stood_in(answer: str) -> None:
    assert clean(answer, picks=True).dimension == "affective"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('Three weeks, and still no letter."', "without its fellow"),
        ('Reply: "Three weeks, and still no letter.', "without its fellow"),
        ("*nods slowly*", "stage direction"),
        ("_sits beside you_", "stage direction"),
        ("**nods slowly**", "stage direction"),
        ("*Sits down beside you and stays there for a while.*", "stage direction"),
        ('{"reply": "Three weeks, and still', "can't be read"),
        ('{"a": "Three weeks.", "b": "Still no letter."}', "2 texts"),
        ('{"error": "content policy"}', "refuses"),
        ("1. Three weeks of waiting.\n2. Still no letter.", "several"),
        ("```\nThree weeks of waiting.", "marks left"),
        ("Reply: **Three weeks of waiting.", "marks left"),
    ],
)
def test_what_comes_off_by_half_is_refused(answer: str, why: str) -> None:
    with pytest.raises(UncleanReply, match=why):
        clean(answer)


@pytest.mark.parametrize(
    "kept",
    [
        "Okay: one step at a time, and the box will still be there.",
        "Her answer was a shrug, and that shrug has stayed with you.",
        "At 5'11\" he was the tallest of the class, and the shyest.",
        BEGUN_AND_ENDED,
        '"Go" was all he wrote, and you still keep the note: "Go"',
    ],
)
def test_what_only_looks_wrapped_is_kept(kept: str) -> None:
    assert clean(kept).text == kept


def test_words_in_italics_are_freed_and_inner_quotes_stay() -> None:
    assert clean("Waiting three weeks is *so* hard.").text == "Waiting three weeks is so hard."
    assert clean('"She said \\"go\\", and that was all."').text == 'She said "go", and that was all.'
    assert clean('"She said "go", and that was all."').text == 'She said "go", and that was all.'
