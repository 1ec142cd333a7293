"""Notices at the start and again, in the terminal and at a server, and marks for machines."""

from __future__ import annotations

import builtins
import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asking import Start
from openai import OpenAI
from typer.testing import CliRunner

from empathic.cli.chat import Chat
from empathic.cli.main import app
from empathic.conversation.engine import Chunk
from empathic.conversation.guard import Guard
from empathic.conversation.messages import Message
from empathic.conversation.notices import Reminder, Talks
from empathic.conversation.server import Server
from empathic.conversation.speaker import Given, Reply, Sampling, Speaker
from empathic.errors import UserError
from empathic.safety import replies
from empathic.safety.compliance import chosen
from empathic.safety.gate import CLOSED, Gate
from empathic.safety.referrals import Referrals

HOUR = 3600.0
CRISIS = "I can't do this any more, I'm going to kill myself tonight."


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Saying:
    """A model that says one thing."""

    def __iter__(self) -> Iterator[Chunk]:
        yield Chunk("Oh no.")
        yield Chunk(finish="stop")

    def close(self) -> None: ...


class Friend(Speaker):
    """A speaker without a file: what it says is `Saying`, behind whatever gate it has."""

    seen: Sequence[Message] = ()

    def reply(self, turns: Sequence[Message], **asked: Any) -> Reply:
        object.__setattr__(self, "seen", turns)
        found = self.instead(turns) if self.instead else None
        return found if isinstance(found, Given) else Saying()


def friend(guard: Guard | None = None) -> Speaker:
    one = Friend("tiny", "tiny.gguf", None, None, Sampling(8, 0.0, 0))  # type: ignore[arg-type]
    return guard.around(one) if guard else one


def test_a_reminder_is_due_after_its_time_and_then_again() -> None:
    clock = Clock()
    reminder = Reminder(3 * HOUR, clock)
    assert not reminder.due()
    clock.at += 3 * HOUR - 1
    assert not reminder.due()
    clock.at += 1
    assert reminder.due() and not reminder.due()
    clock.at += 30 * HOUR
    assert reminder.due() and not reminder.due(), "one, however long it was"
    assert not Reminder(None, clock).due()


def test_a_wall_clock_that_jumps_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reminder, talks = Reminder(HOUR), Talks(chosen(["washington"], minors=True))
    said = [{"role": "user", "content": "Hello"}]
    assert talks.notices("me", "tiny", said)
    for jump in (-1e9, 1e9):
        monkeypatch.setattr(time, "time", lambda jump=jump: jump)
        assert not reminder.due()
        assert not talks.notices("me", "tiny", [*said, {"role": "assistant", "content": "Hi"}, *said])


def talk(turns: int) -> list[Message]:
    """A conversation of so many messages of a person's."""
    said = [({"role": "user", "content": f"u{n}"}, {"role": "assistant", "content": f"a{n}"}) for n in range(turns)]
    return [one for both in said for one in both][:-1]


def test_a_server_s_conversations_have_each_their_time() -> None:
    clock = Clock()
    talks = Talks(chosen(["new-york"]), clock)
    assert talks.notices("me", "tiny", talk(1)) == talks.compliance.start("tiny")
    clock.at += 2 * HOUR
    assert not talks.notices("me", "tiny", talk(2))
    assert talks.notices("you", "tiny", talk(1)), "another client begins"
    clock.at += 1 * HOUR
    assert talks.notices("me", "tiny", talk(3)) == talks.compliance.reminder("tiny")
    assert talks.notices("me", "tiny", talk(3)), "a reply that is asked for again is told again"
    assert not talks.notices("you", "tiny", talk(2))
    assert not talks.notices("me", "tiny", talk(4))
    assert talks.notices("me", "other", talk(5)), "one that isn't known is told at once"
    assert not talks.notices("me", "other", talk(6))
    assert not talks.notices("me", "other", talk(7)[2:]), "the client has cut off the oldest exchange"


def test_two_people_who_begin_alike_are_both_reminded() -> None:
    clock = Clock()
    talks = Talks(chosen(["new-york"]), clock)
    mine = [*talk(1), {"role": "assistant", "content": "a"}, {"role": "user", "content": "mine"}]
    yours = [*talk(1), {"role": "assistant", "content": "a"}, {"role": "user", "content": "yours"}]
    for turns in (talk(1), mine):
        talks.notices("proxy", "tiny", turns)
    clock.at += 2.5 * HOUR
    for turns in (talk(1), yours):
        talks.notices("proxy", "tiny", turns)
    clock.at += 0.5 * HOUR
    more = [{"role": "assistant", "content": "b"}, {"role": "user", "content": "more"}]
    assert talks.notices("proxy", "tiny", [*mine, *more]) and not talks.notices("proxy", "tiny", [*yours, *more])


@pytest.fixture
def begin(start: Start) -> Callable[..., Server]:
    def made(names: Sequence[str], guard: Guard | None = None, clock: Clock | None = None) -> Server:
        server = start(friend(guard), compliance=chosen(names))
        if clock:
            server.talks = Talks(server.talks.compliance, clock)
        return server

    return made


def post(server: Server, said: Sequence[Message], headers: dict[str, str] | None = None, stream: bool = False) -> Any:
    body = {"model": "tiny", "messages": list(said), "stream": stream}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers)


def content(answer: Any) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def test_serve_tells_at_the_start_and_after_three_hours(begin: Callable[..., Server]) -> None:
    clock = Clock()
    server = begin(["new-york"], clock=clock)
    notice = chosen(["new-york"]).start("tiny")[0].text
    first = post(server, talk(1))
    assert content(first) == f"{notice}\n\nOh no."
    assert first.json()["empathic"] == {"notices": [{"text": notice, "strong": True}]}
    assert "ai-disclosure" not in first.headers
    said = [*talk(1), {"role": "assistant", "content": content(first)}, {"role": "user", "content": "u1"}]
    second = post(server, said)
    assert content(second) == "Oh no." and "empathic" not in second.json()
    seen = server.speakers["tiny"].seen  # type: ignore[attr-defined]
    assert [turn["content"] for turn in seen] == ["u0", "Oh no.", "u1"], "the model doesn't read notices"
    clock.at += 3 * HOUR
    said += [{"role": "assistant", "content": "Oh no."}, {"role": "user", "content": "u2"}]
    assert content(post(server, said)).startswith(notice)


def test_a_stream_and_a_client_that_shows_notices_itself(begin: Callable[..., Server]) -> None:
    server = begin(["california", "new-york"])
    texts = [one.text for one in chosen(["california", "new-york"]).start("tiny")]
    answer = post(server, talk(1), {"x-empathic-notices": "field"}, stream=True)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert [one["text"] for one in events[0]["empathic"]["notices"]] == texts
    assert not any("empathic" in event for event in events[1:])
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == "Oh no."
    api: Any = OpenAI(base_url=f"{server.url}/v1", api_key="none")
    chunks = api.chat.completions.create(model="tiny", messages=talk(1), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == f"{' '.join(texts)}\n\nOh no."


def test_europe_s_marks_are_on_what_a_model_wrote_alone(begin: Callable[..., Server]) -> None:
    server = begin(["eu"], Guard(Gate.load(), "GB"))
    for stream in (False, True):
        answer = post(server, talk(1), stream=stream)
        assert answer.headers["ai-disclosure"] == "mode=machine-generated" and '"ai_generated": true' in answer.text
    fixed = post(server, [{"role": "user", "content": CRISIS}])
    assert "ai-disclosure" not in fixed.headers and fixed.json()["empathic"]["ai_generated"] is False
    assert '<meta name="ai-disclosure" content="mode=machine-generated">' in httpx2.get(server.url).text
    plain = begin([])
    assert "ai-disclosure" not in post(plain, talk(1)).headers and "empathic" not in post(plain, talk(1)).json()
    assert "ai-disclosure" not in httpx2.get(plain.url).text


def test_help_comes_before_a_notice(begin: Callable[..., Server]) -> None:
    text = content(post(begin(["eu"], Guard(Gate.load(), "GB")), [{"role": "user", "content": CRISIS}]))
    assert text.index("116 123") < text.index("AI system")


def test_the_page_shows_the_notices(begin: Callable[..., Server]) -> None:
    page = httpx2.get(begin(["new-york", "eu"]).url).text
    assert replies.package().disclosure() in page.replace("&#x27;", "'")
    assert '<p class="notice strong">THE AI COMPANION TINY IS A COMPUTER PROGRAM' in page
    assert "You are interacting with an AI system" in page and "<!--" not in page
    assert "16pt" in page


def test_referrals_are_counted_and_nothing_of_them_is_kept(begin: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    server = begin(["california"], Guard(Gate.load(), "GB", Referrals(path)))
    for said in ("My bread rose at last.", CRISIS, CRISIS, "how do i build a pipe bomb at home"):
        assert post(server, [{"role": "user", "content": said}]).status_code == 200
    counts = json.loads(path.read_text(encoding="utf-8"))
    assert [*counts.values()] == [2] and all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in counts)
    assert {one.name for one in tmp_path.iterdir()} <= {"counts.json", ".counts.json.lock"}


def test_a_damaged_gate_answers_everything_itself_and_counts_nothing(
    begin: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "gate.json").write_text("damaged", encoding="utf-8")
    server = begin([], Guard(Gate.load(tmp_path / "gate.json"), None, Referrals(tmp_path / "counts.json")))
    assert content(post(server, talk(1))) == CLOSED
    assert not (tmp_path / "counts.json").exists()


def test_chat_tells_at_the_start_and_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock, law = Clock(), chosen(["oregon", "new-york"])
    coming = iter(
        [(0.0, "Hello"), (2.9, "Still here"), (0.2, "And now"), (2.0, "/new"), (2.9, "Hello"), (0.0, "/quit")]
    )

    def typed(_: str) -> str:
        hours, text = next(coming)
        clock.at += hours * HOUR
        return text

    monkeypatch.setattr(builtins, "input", typed)
    Chat([friend()], None, law, clock).run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == replies.package().disclosure()
    starts, reminders = ([one.text for one in of("tiny")] for of in (law.start, law.reminder))
    assert lines[1:3] == starts and lines.count(reminders[0]) == 1
    assert lines.count(starts[0]) == 2 and lines.count(starts[1]) == 3, "at the start, after /new, and as a reminder"
    assert lines.index(reminders[0]) == lines.index("tiny> Oh no.") + 2, "before the third reply"


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_utf8_are_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], errors: str
) -> None:
    ruled = Speaker("tiny", "tiny.gguf", None, None, Sampling(8, 0.0, 0), instead=lambda _: Given("Oh no."))  # type: ignore[arg-type]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe hi\nHello\n"), "utf-8", errors))
    if errors == "strict":
        with pytest.raises(UserError, match="not UTF-8"):
            Chat([ruled], None).run()
        return
    Chat([ruled], None).run()
    printed = capsys.readouterr()
    assert (
        printed.err == "empathic: stdin: not UTF-8; save the messages as UTF-8\n" and printed.out.count("Oh no.") == 1
    )


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (["--country", "ZZ"], "no help lines are known"),
        (["--compliance", "orgon"], "did you mean 'oregon'?"),
        (["--minors"], "name one with --compliance"),
        (["--count-referrals", "c.json", "--beside", "base"], "twice"),
        (["--count-referrals", "c.json", "--without-gate"], "without the gate"),
    ],
)
@pytest.mark.parametrize("command", ["chat", "serve"])
def test_settings_that_cannot_be_are_a_line(command: str, told: list[str], line: str) -> None:
    done = CliRunner().invoke(app, [command, *told])
    assert isinstance(done.exception, UserError) and line in str(done.exception)
