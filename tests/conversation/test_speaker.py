from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from empathic.conversation import speakers
from empathic.conversation.conversation import Conversation
from empathic.conversation.engine import Engine
from empathic.conversation.messages import BadMessage, Message, TooLong, printable
from empathic.conversation.speaker import Given, Sampling, Speaker
from empathic.conversation.window import fit


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def exchange(n: int) -> list[Message]:
    return [user(f"message {n} of a long day"), {"role": "assistant", "content": f"reply {n} to that"}]


def test_the_prompt_is_that_of_training(tiny: Path, speaker: Speaker) -> None:
    from transformers import AutoTokenizer

    from empathic.student import prompt

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    trained = tokenizer.apply_chat_template(
        prompt.messages("Be kind.", "My dog is gone."), tokenize=True, add_generation_prompt=True, return_dict=True
    )
    last = [*speaker.reply([user("My dog is gone.")], max_tokens=1)][-1]
    assert last.prompt_tokens == len(trained["input_ids"])
    assert speaker.engine.tokens(prompt.messages("Be kind.", "My dog is gone.")) == last.prompt_tokens


def test_another_instruction_stands(speaker: Speaker) -> None:
    own = [{"role": "system", "content": "Be kind. " * 20}, user("Hello")]
    told, other = ([*speaker.reply(turns, max_tokens=1)][-1].prompt_tokens for turns in (own[1:], own))
    assert other > told + 20


def test_turns_go_on_and_what_was_refused_was_not_said(speaker: Speaker) -> None:
    talk = Conversation(speaker)
    said = "".join(chunk.text for chunk in talk.say("Hello"))
    assert said and talk.turns == [user("Hello"), {"role": "assistant", "content": said}]
    for bad, why in (("", "empty"), ("a\x1b[2J", r"U\+001B"), ("\ud800", r"U\+D800"), ("word " * 9000, "too long")):
        with pytest.raises(BadMessage, match=why):
            [*talk.say(bad)]
    assert len(talk.turns) == 2
    [*talk.say("And\r\nagain")]
    assert talk.turns[2] == user("And\r\nagain") and len(talk.turns) == 4


def test_a_long_reply_blocks_nobody_while_another_slot_is_free(speaker: Speaker) -> None:
    shared = dataclasses.replace(speaker, slots=range(2))
    long = [shared.reply([user("Hi")], max_tokens=1500, temperature=2.0) for _ in range(2)]
    heard: list[list[Any]] = []

    def ask(reply: Any) -> threading.Thread:
        asking = threading.Thread(target=lambda: heard.append([*reply]), daemon=True)
        asking.start()
        return asking

    first = iter(long[0])
    next(first)
    ask(shared.reply([user("Hi")], max_tokens=1)).join(5)
    assert len(heard) == 1, "it waits for the slot of its own beginning"
    second = iter(long[1])
    next(second)
    third = shared.reply([user("Hi")], max_tokens=1)
    waiting = ask(third)
    waiting.join(0.2)
    assert len(heard) == 1, "no slot is free"
    third.close()
    waiting.join(5)
    assert heard[1] == [], "one that is closed while it waits ends"
    for chunks, reply in zip((first, second), long, strict=True):
        reply.close()
        for _ in chunks:
            pass  # to its end, which frees the slot
    ask(shared.reply([user("Hi")], max_tokens=1)).join(5)
    assert len(heard) == 3, "their slots are free again"


def test_a_control_character_of_the_models_own_is_no_mistake_of_the_persons(speaker: Speaker) -> None:
    turns = [user("Hello"), {"role": "assistant", "content": "a\x17b"}, user("Hello")]
    assert [*speaker.reply(turns, max_tokens=1)][-1].prompt_tokens == speaker.engine.tokens(
        [{"role": "system", "content": "Be kind."}, turns[0], {"role": "assistant", "content": "ab"}, turns[2]]
    )


def test_a_stopped_reply_counts_as_far_as_it_came(speaker: Speaker) -> None:
    talk = Conversation(speaker)
    pieces: Any = talk.say("Hello")
    first = next(pieces).text
    pieces.close()
    assert talk.turns == [user("Hello"), {"role": "assistant", "content": first}]


def test_a_rule_may_reply_in_the_models_place(speaker: Speaker) -> None:
    seen: list[Sequence[Message]] = []

    def rule(turns: Sequence[Message]) -> Given | None:
        seen.append(turns)
        return Given("Call somebody.") if "help" in turns[-1]["content"] else None

    talk = Conversation(dataclasses.replace(speaker, instead=rule))
    [*talk.say("Hello")]
    assert [chunk.text for chunk in talk.say("help")] == ["Call somebody.", ""]
    assert len(seen[1]) == 3 and talk.turns[-1]["content"] == "Call somebody."


@pytest.mark.parametrize("wanted", [(None, "base"), ("base", None)])
def test_the_student_that_comes_along_wears_its_adapter_and_has_slots_of_its_own(
    wanted: tuple[str | None, str | None], tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []

    class Made:
        def __init__(self, *args: Any) -> None:
            made.append(args)

        def close(self) -> None: ...

    monkeypatch.setattr(speakers, "Engine", Made)  # the real one reads a base of 1.1 GB
    monkeypatch.setattr(speakers.models, "gguf", lambda name, log: tiny_gguf)
    system, beside = wanted
    with speakers.open_speakers(None, system, beside, slots=4) as found:
        shown = [(one.name, one.scale, one.slots, one.sampling) for one in found]
    settings = speakers._STUDENT
    sampling = Sampling(settings.max_tokens, settings.temperature, 0)
    everyday, base = ("everyday", 1.0, range(4), sampling), ("base", 0.0, range(4, 8), sampling)
    assert shown == ([everyday, base] if beside else [("base", 0.0, range(4), sampling)])
    ((path, slots, adapter),) = made
    assert (path, slots) == (tiny_gguf, 4 * len(shown)) and adapter.exists()


@pytest.mark.slow  # a hundred and fifty turns
def test_the_oldest_turns_leave_and_the_prompt_stays_one_for_a_while(engine: Engine) -> None:
    told = {"role": "system", "content": "Be kind."}
    turns: list[Message] = []
    begins = []
    for n in range(150):
        asked = [told, *turns, exchange(n)[0]]
        kept = fit(engine, asked, 64)
        assert kept[0] == told and kept[1]["role"] == "user" and kept[1:] == asked[-len(kept[1:]) :]
        assert engine.tokens(kept) <= engine.window - 64
        begins.append(kept[1]["content"])
        turns += exchange(n)
    changes = sum(a != b for a, b in itertools.pairwise(begins))
    assert begins[0] == begins[20] != begins[-1]
    assert 1 <= changes <= 8  # were one exchange to leave at a time, it would be a hundred


def test_the_newest_message_is_never_dropped(engine: Engine) -> None:
    long = user("word " * (engine.window // 3))
    assert fit(engine, [*exchange(0), *exchange(1), long], 64)[-1] == long
    with pytest.raises(TooLong, match="shorten it"):
        fit(engine, [user("word " * engine.window)], 64)


def test_what_would_steer_a_terminal_is_not_shown() -> None:
    assert printable("a\x1b[2Jb\n\u0007c\u2028d") == "a[2Jb\nc\u2028d"
