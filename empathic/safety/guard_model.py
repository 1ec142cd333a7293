"""A larger model in front of the gate: it reads the conversation, and what it calls a crisis is one.

It only adds. What the gate stops stays stopped, and where the model says nothing of use the gate decides alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from empathic.endpoints import connection
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.open import open_endpoint
from empathic.endpoints.visible import visible
from empathic.safety.settings import GuardModel as Settings

TURNS, KEPT = 12, 1024  # newest turns that it reads; labels that are known again
ROOM = 32  # tokens of its answer: guard models name categories after their first word
INSTRUCTION = (
    "You read what a person writes to a program, and say whether a small language model may answer the newest message "
    "by itself. Answer with one word. crisis: the person, or somebody that they speak of, may be in danger now: of "
    "suicide, self-harm, an eating disorder, an overdose, abuse, threats, or of hurting others; hints count, such as "
    "goodbyes or means put ready. harmful: help is asked for in hurting somebody or in breaking the law. safe: "
    "everything else, such as sadness, grief, fear and anger without danger, a crisis that is long over, jokes, games, "
    "films, news and idioms."
)
# The word that it was asked for, or the first word of guard models, which name categories after it: Llama Guard (S11 is
# suicide and self-harm), Qwen3Guard, ShieldGemma.
_WORD = re.compile(r"\b(crisis|harmful|unsafe|controversial|yes|safe|no)\b", re.I)
_SELF = re.compile(r"suicid|self.?harm|\bs11\b", re.I)

SAFE = "safe"

Ask = Callable[[list[dict[str, str]]], str]
Log = Callable[[str], None]


class GuardModel:
    """What a model says of messages.

    Args:
        ask: gives the model's answer to a list of messages; whatever it raises is no opinion.
        log: told once of each way in which it fails.
    """

    def __init__(self, ask: Ask, log: Log = print) -> None:
        self.said: Counter[str] = Counter()  # its labels, and "nothing" where none came
        self._ask, self._log = ask, log
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._told: set[str] = set()
        self._lock = Lock()

    def heard(self, messages: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """What it says of each of the user's turns: `crisis`, `harmful`, or None.

        The newest is asked about; earlier ones are known from when they were the newest, or not at all.
        """
        turns = [
            one["content"] for one in messages if one.get("role") == "user" and isinstance(one.get("content"), str)
        ]
        if not turns:
            return []
        keys = list(_digests(turns))
        with self._lock:
            known = keys[-1] in self._kept
        if not known:
            label = self._label(messages)
            with self._lock:
                if label is not None:
                    self._kept[keys[-1]] = label
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        with self._lock:
            found = [self._kept.get(key) for key in keys]
        return [None if label == SAFE else label for label in found]

    def _label(self, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """What it says of the newest turn; None where it says nothing of use, so that it is asked again."""
        said = [
            {"role": one["role"], "content": one["content"]}
            for one in messages
            if one.get("role") in ("user", "assistant") and isinstance(one.get("content"), str)
        ][-TURNS:]
        while said and said[0]["role"] != "user":  # templates of guard models want a person to begin
            said.pop(0)
        try:
            answer = self._ask(said)
        except Exception as error:  # whatever fails here must not keep a person from an answer
            self._nothing(f"the guard model didn't answer ({type(error).__name__}); the gate decides alone")
            return None
        word = _WORD.search(visible(answer)[0])
        if word is None:
            self._nothing("the guard model's answer was none of its words; the gate decides alone")
            return None
        label = SAFE if word[1].lower() in (SAFE, "no") else "harmful"
        if word[1].lower() == "crisis" or (label == "harmful" and _SELF.search(answer)):
            label = "crisis"
        self.said[label] += 1
        return label

    def _nothing(self, why: str) -> None:
        self.said["nothing"] += 1
        with self._lock:
            first = why not in self._told
            self._told.add(why)
        if first:
            self._log(why)


def _digests(turns: Sequence[str]) -> Iterator[bytes]:
    """A digest of each turn with all before it, so that no text is kept."""
    sofar = hashlib.blake2b(digest_size=16)
    for turn in turns:
        sofar.update(len(turn).to_bytes(8) + turn.encode(errors="surrogatepass"))
        yield sofar.digest()


@contextmanager
def opened(settings: Settings, log: Log) -> Iterator[GuardModel]:
    """The guard model of a builder's settings; a `local:` one runs inside this block.

    Raises:
        UserError: as `open_endpoint` does.
    """
    with open_endpoint(settings.endpoint, settings.model, settings.key_env, 1, log, settings.extra_body) as endpoint:
        yield GuardModel(_asking(endpoint, settings.seconds), log)


def _asking(endpoint: Endpoint, seconds: float) -> Ask:
    client = connection.connect_waiting(endpoint.urls[0], endpoint.key, retries=0).with_options(timeout=seconds)

    def ask(said: list[dict[str, str]]) -> str:
        messages: Any = [{"role": "system", "content": INSTRUCTION}, *said]
        found = client.chat.completions.create(
            model=endpoint.model,
            messages=messages,
            max_tokens=ROOM,
            temperature=0.0,
            extra_body=dict(endpoint.extra_body) or None,
        )
        return found.choices[0].message.content or ""

    return ask
