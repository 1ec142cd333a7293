"""Quotes around the whole of a text, told from quotations that stand at its beginning and end."""

from __future__ import annotations

import re

_CLOSE = {  # by what opens a quotation, what may close it: by nation, and where a model mixes them up
    '"': '"”',
    "“": '”"',
    "„": '“”"',
    "”": "”",
    "«": "»",
    "»": "«»",
    "‹": "›",  # noqa: RUF001
    "›": "‹›",  # noqa: RUF001
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "〝": "〞〟",
    "＂": "＂",  # noqa: RUF001
    "‘": "’",  # noqa: RUF001
    "‚": "‘’",  # noqa: RUF001
    "’": "’",  # noqa: RUF001
    "'": "'’",  # noqa: RUF001
    "`": "`",
}
_SINGLE = "'’"  # noqa: RUF001  these are apostrophes too
_FAMILIES = ('"“”„', "«»", "‹›", "「」", "『』", "《》", "〝〞〟", "＂")  # noqa: RUF001  what comes in twos
_BEFORE_OPENING = "([{（【—–-/,:;，、：；¿¡*_" + "".join(_CLOSE)  # noqa: RUF001
_ELIDED = re.compile(r"(?:tis|twas|til|till|em|cause|bout|round|n|nuff|\d0s)\b", re.I)  # words that begin with one
_KIN = ({*"“”„"}, {*"‘’‚"}, {*"«»"}, {*"‹›"})  # noqa: RUF001  one nation's opening is another's end
_ASIDE, _OPENS, _CLOSES, _MAY_CLOSE, _UNCLEAR = range(5)


def unquoted(text: str) -> str:
    """A text without the quotes around all of it; one that only begins and ends with quotations is left as it is."""
    while len(text) > 2 and text[-1] in _CLOSE.get(text[0], ""):
        within = text[1:-1].strip()
        if not within or not _is_whole(within, text[0], text[-1]):
            break
        text = within
    return text


def is_odd(text: str) -> bool:
    """Whether a quote is left without its fellow; inches after a digit may be meant by one."""
    for family in _FAMILIES:
        marks = [at for at, mark in enumerate(text) if mark in family]
        if len(marks) % 2 and not any(text[at - 1 : at].isdigit() for at in marks):
            return True
    return False


def _is_whole(within: str, opening: str, closing: str) -> bool:
    """Whether what stands between two quotes has whole quotations of their kind alone, so that the two are a pair."""
    marks = {opening, closing}
    for kin in _KIN:
        marks |= kin if marks & kin else set()
    depth = maybe = 0  # quotations that are open, and apostrophes that may have been their end
    for at, mark in enumerate(within):
        if mark not in marks:
            continue
        role = _role(within, at, opening, closing)
        if role == _UNCLEAR:
            return False
        if role == _OPENS:
            depth += 1
        elif role == _MAY_CLOSE and depth:
            depth, maybe = depth - 1, maybe + 1
        elif role == _CLOSES and depth:
            depth -= 1
        elif role == _CLOSES and maybe:
            maybe -= 1
        elif role == _CLOSES:
            return False
    return depth == 0


def _role(text: str, at: int, opening: str, closing: str) -> int:
    """Whether a quote opens or closes a quotation: by what stands beside it, else by what it is."""
    mark, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if mark in _SINGLE and before.isalnum() and after.isalnum():
        return _ASIDE
    if mark in _SINGLE and not before.isalnum() and _ELIDED.match(text, at + 1):
        return _ASIDE
    lone = not before or before.isspace()
    opens = bool(after) and not after.isspace() and (lone or (before in _BEFORE_OPENING and _begins(after)))
    closes = not lone and (not after or not _begins(after) or before in ".!?…。！？")  # noqa: RUF001
    if opens != closes:
        return _OPENS if opens else _MAY_CLOSE if mark in _SINGLE and before.isalpha() else _CLOSES
    if opening == closing:
        return _UNCLEAR
    return _CLOSES if mark == closing else _OPENS if mark == opening or mark in "“„‘‚" else _CLOSES  # noqa: RUF001


def _begins(after: str) -> bool:
    """Whether a quotation may begin with this."""
    return after.isalnum() or after in _CLOSE or after in "…¿¡"
