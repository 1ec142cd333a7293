"""What people are to read of a model's words: without its thoughts, and without the tokens that frame a turn."""

from __future__ import annotations

import re

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reflection|seed:think)"
_OPEN, _CLOSE = (
    rf"(?:<{_TAG}>|\[THINK\]|<\|channel>\s*thought\b|◁think▷)",
    rf"(?:</{_TAG}>|\[/THINK\]|<channel\|>|◁/think▷)",
)
_THOUGHTS = [  # in this order: whole ones, one whose beginning stood in the prompt, one that was cut off
    re.compile(rf"{_OPEN}.*?{_CLOSE}", re.S | re.I),
    re.compile(rf"\A.*{_CLOSE}", re.S | re.I),
    re.compile(rf"{_OPEN}.*\Z", re.S | re.I),
]
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_UNMARKED = re.compile(r"\Aanalysis.*?assistantfinal", re.S)  # channels whose marks a server dropped
_BEGINS = re.compile(
    r"\A\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|im_start\|>(?:assistant)?|<\|assistant\|>|<\|start\|>(?:assistant)?"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<start_of_turn>(?:model)?|\[/INST\])\s*"
)
_ENDS = re.compile(  # nothing after one of these was meant for anybody
    r"<\|(?:im_end|im_start|eot_id|eom_id|end_of_text|endoftext|end|return|call|start|start_header_id|end_of_turn"
    r"|user|system|eos)\|>|<eos>|<(?:end|start)_of_turn>|<turn\|>|</s>(?=\s*(?:\Z|<s>|\[INST\]|<\|))|\[/?INST\]"
)
_MARKS = re.compile(r"<[|｜][^<>|｜\n]{1,40}[|｜]>")  # noqa: RUF001  DeepSeek's bars are wide


def visible(text: str) -> tuple[str, bool]:
    """A text without thoughts and marks, and whether the model thought first.

    Thoughts stand in tags (`<think>`, its opening tag often in the prompt and not here), in brackets, or in channels
    that are not the final one.
    """
    text, thought = _of_channels(text)
    for pattern in _THOUGHTS:
        text, count = pattern.subn("", text)
        thought |= count > 0
    if thought:
        text = re.sub(r"\A\s*<answer>(.*?)(?:</answer>)?\s*\Z", r"\1", text, flags=re.S)
    while opening := _BEGINS.match(text):
        text = text[opening.end() :]
    if ending := _ENDS.search(text):
        text = text[: ending.start()]
    return _MARKS.sub("", text).strip(), thought


def _of_channels(text: str) -> tuple[str, bool]:
    """The final channel of a text that has channels."""
    if dropped := _UNMARKED.match(text):
        return text[dropped.end() :], True
    places = list(_CHANNEL.finditer(text))
    if not places:
        return text, False
    ends = [place.start() for place in places[1:]] + [len(text)]
    final = [text[place.end() : end] for place, end in zip(places, ends, strict=True) if place[1] == "final"]
    return (final[-1] if final else ""), any(place[1] != "final" for place in places)
