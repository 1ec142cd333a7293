"""The safety gate: reads what a person writes before a small model answers, and answers itself where it must.

A safety net, no clinical instrument: docs/safety.md says what it catches and what it misses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from empathic.errors import UserError
from empathic.safety import model, replies, spec
from empathic.safety.normalise import Normaliser
from empathic.safety.patterns import Patterns
from empathic.safety.replies import Replies
from empathic.safety.settings import Settings

ANSWER = 5  # words that a "yes" to the question about danger has at most
ABOUT_ITSELF = ("human", "feeling", "life", "maker")  # why a reply was refused: it made itself out to be somebody
ROUTINE = ("hello", "thanks", "bye", "night")  # messages with a fixed answer where nothing weighed before
SMALL = 20  # words that small talk has at most
UNSURE = 2.0  # by how much a crisis's kind has to lead, a difference of logarithms, for a reply of its own
OVERDOSE = "overdose"  # a crisis that words alone tell, with a reply of its own
BY_WORDS = (*model.CRISIS, OVERDOSE)
CLOSED = (
    "This program can't answer safely just now, because a part of it is damaged. If you are in danger, or thinking of "
    "ending your life, please call your local emergency number now, or go to someone who can stay with you; "
    "findahelpline.com lists free help lines of your country."
)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of the newest message, or of a reply.

    Attributes:
        label: `ordinary`, `distress`, `past`, `crisis` or `harmful`.
        kind: of a crisis: `self`, `eating`, `abuse`, `others`, `someone`, `overdose`; of a refused reply: why; of a
            greeting or a question about the program, which have one answer, whoever asks: `hello`, `thanks`, `bye`,
            `night`, `human`, `who`, `maker`, `feelings`, `name`; of a call for help or for a person: `help` (a "yes" to
            what it is answered by is a crisis of no kind); else None.
        reply: the fixed reply to send; None where the student answers.
        careful: something in the conversation calls for care: keep to listening, no jokes, no advice of one's own.
        offer: a sentence to show under the student's reply (people to talk to), or None.
        score: how much likelier a crisis is than all that is safe, with the turns before (natural logarithm of odds).
    """

    label: str
    kind: str | None = None
    reply: str | None = None
    careful: bool = False
    offer: str | None = None
    score: float = 0.0


class Reading(NamedTuple):
    """What one message says by itself."""

    plain: str
    decided: str | None
    small: str | None
    danger: float
    harm: float
    logits: tuple[float, ...]


@dataclass
class _State:
    """What earlier turns left behind."""

    evidence: float = 0.0  # how far messages stood above the floor, fading
    careful: bool = False
    kind: str | None = None  # of the last crisis, or of the concern that was asked about
    asked: bool = False  # whether a question about danger was the last thing said
    crises: int = 0
    spoken: bool = False  # whether anything but small talk came before
    troubled: bool = False  # whether anything but an ordinary message did


def add_up(danger: float, evidence: float, limits: Mapping[str, float]) -> tuple[float, float]:
    """A message's score with what turns before it left, and what it leaves; evidence fades from turn to turn."""
    above, carried = max(0.0, danger - limits["floor"]), limits["carry"] * evidence
    return danger + (carried if above else 0.0), min(limits["most"], carried + above)


class Gate:
    """Labels for messages, fixed replies, and a check of the student's replies; without state between calls."""

    def __init__(self, tables: Mapping[str, Any] | None, words: Replies | None = None) -> None:
        """Take a specification, and what it says (default: the package's); None makes one that answers all itself."""
        self.replaced: Counter[str] = Counter()  # replies of the student that were refused, by reason
        self.closed = tables is None
        if tables is None:
            return
        self.words = words or replies.package()
        self._normalise = Normaliser(tables["normal"])
        self._patterns = Patterns(tables["patterns"])
        self._model = model.Model(tables["model"])
        self._limits: dict[str, float] = tables["limits"]
        self._affirms = re.compile(tables["patterns"]["affirms"], re.ASCII)
        self._young = re.compile(tables["patterns"]["young"], re.ASCII)
        self._reply = [(name, re.compile(one, re.ASCII)) for name, one in tables["patterns"]["reply"]]
        before, after = tables["patterns"]["around_small"]
        small = tables["patterns"]["small"]
        self._small = [(name, re.compile(f"{before}{one}{after}", re.ASCII)) for name, one in small]
        self._languages: dict[str, frozenset[str]] = {
            name: frozenset(words) for name, words in tables["languages"].items()
        }
        self.read = lru_cache(maxsize=1024)(self._read)

    @classmethod
    def load(cls, path: Path | None = None, settings: Settings | None = None) -> Gate:
        """The gate in a file; default: the package's. Where it, or what it replies, is damaged, a closed one."""
        try:
            tables = spec.read(path)
            return cls(settings.tables(tables), settings.words()) if settings else cls(tables)
        except (spec.Damaged, UserError, AttributeError, KeyError, TypeError, ValueError, IndexError):
            return cls(None)

    def check(
        self,
        messages: Sequence[Mapping[str, Any]],
        country: str | None = None,
        heard: Sequence[str | None] = (),
    ) -> Verdict:
        """What the newest of the user's messages calls for, in the light of those before.

        Args:
            messages: the conversation as `{"role": …, "content": …}`, the newest last.
            country: two letters, such as `GB`, for the help lines; None or unknown: ones that hold everywhere.
            heard: what a guard model says of the user's turns: `crisis`, `harmful` or None.
        """
        if self.closed:
            return Verdict("crisis", "closed", CLOSED, careful=True)
        said = [one["content"] for one in messages if one.get("role") == "user" and isinstance(one.get("content"), str)]
        state, verdict = _State(), Verdict("ordinary")
        for text, label in zip_longest(said, heard[: len(said)]):
            verdict = self._turn(self._lifted(self.read(text), label), state)
        if not said:
            return verdict
        return self._worded(verdict, state, [self.read(text).plain for text in said], country)

    def check_reply(self, text: str, country: str | None = None) -> Verdict:
        """Whether the student's reply may be sent; if not, `reply` is what to send for it, and `replaced` counts it."""
        if self.closed:
            return Verdict("harmful", "closed", CLOSED)
        plain = self._normalise(text)
        kind = next((name for name, pattern in self._reply if pattern.search(plain)), None)
        if kind is None:
            return Verdict("ordinary")
        self.replaced[kind] += 1
        name = "reply.self" if kind in ABOUT_ITSELF else "reply"
        return Verdict("harmful", kind, self.words.fixed(name, self.language(plain), country))

    def _read(self, text: str) -> Reading:
        plain = self._normalise(text)
        hits = self._patterns.find(plain)
        logits = self._model.best(plain, hits)
        short = plain.count(" ") < SMALL
        small = next((name for name, pattern in self._small if short and pattern.search(plain)), None)
        return Reading(plain, hits.decided, small, model.danger(logits), model.harm(logits), tuple(logits))

    def _lifted(self, read: Reading, label: str | None) -> Reading:
        """A reading that is as grave as a guard model calls the message, at least."""
        if label == "crisis":
            return read._replace(danger=max(read.danger, self._limits["crisis"]))
        if label == "harmful":
            return read._replace(harm=max(read.harm, self._limits["harmful"]), small=None)
        return read

    def _turn(self, read: Reading, state: _State) -> Verdict:
        """The verdict on one more message, unworded; `state` moves on."""
        if read.small and self._is_small(read, state):
            return self._small_talk(read, state)
        verdict = self._weighed(read, state)
        state.spoken = True
        state.troubled |= verdict.label != "ordinary"
        return verdict

    def _is_small(self, read: Reading, state: _State) -> bool:
        """Whether a message that looks like small talk may be taken for it, here.

        A greeting or a goodbye may while nothing else was said: what came before may weigh more than the weights see.
        A bare call for help always may: it is answered by the question about danger.
        """
        if read.decided is not None or (read.small != "help" and read.danger >= self._limits["crisis"]):
            return False
        harmless = read.small == "hello" or read.danger < self._limits["ask"]
        return read.small not in ROUTINE or (not state.spoken and harmless)

    def _small_talk(self, read: Reading, state: _State) -> Verdict:
        """The fixed reply; people to talk to, or the question about danger, come after it where more was said."""
        kind = str(read.small)
        if kind in ROUTINE:
            doubtful = kind != "hello" and read.danger >= self._limits["concern"]
            return Verdict("ordinary", kind, f"small.{kind}{' offer.people' * doubtful}")
        state.careful |= kind == "help" or read.danger >= self._limits["concern"]
        state.troubled |= state.careful
        if kind == "help":
            state.asked = True
            return Verdict("distress", kind, "crisis.again" if state.crises else "offer.concern", True)
        after = "" if state.spoken else "small.then"
        if state.troubled:
            after = "crisis.again" if state.crises else "offer.concern" if state.asked else "offer.people"
            state.asked = after != "offer.people"
        return Verdict("ordinary", kind, f"small.{kind} {after}", state.careful)

    def _weighed(self, read: Reading, state: _State) -> Verdict:
        limits = self._limits
        score, state.evidence = add_up(read.danger, state.evidence, limits)
        limit = limits["concern"] if state.careful and state.crises else limits["crisis"]
        asked, state.asked = state.asked, False
        crisis_logits = read.logits[4:]
        second, most = sorted(crisis_logits)[-2:]
        likeliest = model.CRISIS[crisis_logits.index(most)]
        by_words = read.decided in BY_WORDS
        wrong = read.decided == "harmful" or read.harm >= limits["harmful"]
        if wrong and not by_words and read.logits[3] >= most:
            return Verdict("harmful", None, "harmful", state.careful, None, score)
        affirmed = asked and read.plain.count(" ") < ANSWER and self._affirms.search(read.plain) is not None
        if by_words or score >= limit or affirmed:
            kind = read.decided if by_words else state.kind if affirmed else likeliest
            again = state.crises and kind != OVERDOSE
            first = f"crisis.{kind}" if by_words or most - second >= UNSURE else "crisis.unsure"
            name = "crisis.urgent" if affirmed else "crisis.again" if again else first
            state.careful, state.asked, state.kind = True, True, kind
            state.crises += 1
            return Verdict("crisis", kind, name, True, None, score)
        if wrong:
            return Verdict("harmful", None, "harmful", state.careful, None, score)
        concern = score >= limits["concern"]
        label = model.SAFE[max(range(3), key=lambda at: read.logits[at])]
        if concern:
            state.asked = score >= limits["ask"] or state.careful
            state.kind, state.careful = likeliest, True
            offer = "offer.concern" if state.asked else "offer.people"
            return Verdict("past" if label == "past" else "distress", None, None, True, offer, score)
        return Verdict(label, None, None, state.careful, "offer.past" if label == "past" else None, score)

    def _worded(self, verdict: Verdict, state: _State, said: list[str], country: str | None) -> Verdict:
        if not (verdict.reply or verdict.offer):
            return verdict
        language, young = self.language(" ".join(said[-4:])), any(map(self._young.search, said))

        def words(name: str | None) -> str | None:
            kind = verdict.kind if verdict.label in ("crisis", "harmful") else state.kind
            whom = ("child", f"child {kind}", kind) if young else (kind,)
            parts = [self.words.fixed(part, language, country, whom) for part in (name or "").split()]
            return " ".join(parts) or None

        fields = {**verdict.__dict__, "reply": words(verdict.reply), "offer": words(verdict.offer)}
        return Verdict(**fields)

    def language(self, plain: str) -> str:
        """The language of a plain text among those that fixed replies are in, by its commonest words; else English."""
        words = plain.split(" ")
        counts = {name: sum(word in common for word in words) for name, common in self._languages.items()}
        return max(counts, key=lambda name: (counts[name], name == "en"))
