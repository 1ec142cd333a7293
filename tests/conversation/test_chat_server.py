from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asking import HELLO, Start, client, long_stream, post, whole_answer
from openai import APIStatusError, AuthenticationError, BadRequestError, NotFoundError

from empathic.conversation.server import check_open
from empathic.conversation.speaker import Given, Speaker
from empathic.errors import UserError


def test_openais_client_asks(start: Start, speaker: Speaker) -> None:
    api = client(start(speaker))
    assert [model.id for model in api.models.list()] == ["tiny"]
    assert api.models.retrieve("tiny").owned_by == "empathic"
    whole = api.chat.completions.create(model="tiny", messages=HELLO)
    assert whole.usage and whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 8
    stream = api.chat.completions.create(
        model="tiny", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [*stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage == whole.usage.model_copy(update={"prompt_tokens_details": None})
    assert chunks[-2].choices[0].finish_reason == "length"


def test_parameters_reach_the_model(start: Start, speaker: Speaker) -> None:
    api = client(start(speaker))

    def said(**asked: Any) -> str:
        return api.chat.completions.create(model="tiny", messages=HELLO, **asked).choices[0].message.content or ""

    greedy = said()
    assert said(max_tokens=2) == greedy[: len(said(max_tokens=2))] != greedy
    assert said(max_completion_tokens=2) == said(max_tokens=2)
    assert said(temperature=2.0, seed=1) == said(temperature=2.0, seed=1) != said(temperature=2.0, seed=2)
    assert said(temperature=2.0, seed=1, top_p=1e-6) == greedy
    stop = greedy[len(greedy) // 2 :][:3]
    assert said(stop=[stop]) == greedy[: greedy.index(stop)]
    assert said(presence_penalty=2, frequency_penalty=2, max_tokens=40) != said(max_tokens=40)
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert api.chat.completions.create(model="tiny", messages=parts).choices[0].message.content == greedy


def test_what_cannot_be_served_is_refused_in_openais_shape(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    api = client(server)
    with pytest.raises(NotFoundError, match="want tiny"):
        api.chat.completions.create(model="gpt", messages=HELLO)
    with pytest.raises(BadRequestError) as error:
        api.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "word " * 9000}])
    assert error.value.code == "context_length_exceeded"
    for body, why in (
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "U+0000"),
        ({"messages": [{"role": "user", "content": " "}]}, "empty"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "the last message must be a user's"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "role"),
        ({"messages": "Hello"}, "messages"),
        ({"tools": [{}]}, "tools"),
        ({"n": 2}, "n:"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 2**32}, "max_tokens"),
        ({"stop": ""}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"messages": [{"role": "user", "content": "a", "tool_calls": []}]}, "tool_calls"),
        ({"stream_options": {"include_all": True}}, "include_all"),
        ({"messages": HELLO * 401}, "messages"),
    ):
        for stream in (False, True):
            refused = post(server, stream=stream, **body)
            assert refused.status_code == 400, body
            assert why in refused.json()["error"]["message"]
            assert refused.json()["error"]["type"] == "invalid_request_error"
    url = f"{server.url}/v1/chat/completions"
    kind = {"content-type": "application/json"}
    lone = b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}'
    for content, headers, status in (
        (b"{", kind, 400),
        (b"[]", kind, 400),
        (b"\xff", kind, 400),
        (lone, kind, 400),
        (json.dumps({"model": "tiny", "messages": HELLO}).encode(), {"content-type": "text/plain"}, 415),
        (b" " * 1_000_001, kind, 413),
        (b"{}", {**kind, "host": "evil.example"}, 403),
    ):
        refused = httpx2.post(url, content=content, headers=headers)
        assert refused.status_code == status, content[:20]
        assert refused.json()["error"]["message"]
    assert httpx2.get(f"{server.url}/nothing").status_code == 404
    assert httpx2.put(url).json()["error"]["message"] == "want POST"
    assert post(server).status_code == 200


def test_a_key_is_asked_for_where_there_is_one(start: Start, speaker: Speaker) -> None:
    server = start(speaker, key="s3cret")
    assert client(server, "s3cret").chat.completions.create(model="tiny", messages=HELLO).choices
    for wrong in ("s3cre", "s3crets", "ü"):
        headers = {b"authorization": f"Bearer {wrong}".encode()}
        assert httpx2.get(f"{server.url}/v1/models", headers=headers).status_code == 401
    with pytest.raises(AuthenticationError):
        client(server, "other").models.list()
    assert httpx2.get(f"{server.url}/health").json() == {"status": "ok"}
    check_open("0.0.0.0", "s3cret")
    check_open("127.0.0.1", None)
    with pytest.raises(UserError, match="--key-env"):
        check_open("0.0.0.0", None)


def test_eight_clients_at_a_time_get_what_one_gets(start: Start, speaker: Speaker) -> None:
    api = client(start(speaker))

    def said(n: int) -> str:
        messages: Any = [{"role": "user", "content": f"This is client {n}"}]
        create = api.chat.completions.create
        if n % 2:
            return create(model="tiny", messages=messages, max_tokens=24).choices[0].message.content or ""
        streamed = create(model="tiny", messages=messages, max_tokens=24, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in streamed)

    alone = [said(n) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = [*pool.map(said, range(8))]
    # A batch of several conversations adds up in another order: a near tie may fall the other way.
    assert sum(a == b for a, b in zip(alone, together, strict=True)) >= 6
    assert all(together)


def test_what_isnt_let_in_leaves_nothing_to_be_read_as_a_request(start: Start, speaker: Speaker) -> None:
    server = start(speaker, key="s3cret")
    hidden = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    body = f"content-length: {len(hidden)}\r\n\r\n{hidden}"
    chunked = f"transfer-encoding: chunked\r\n\r\n{hidden}"
    for head, status in (
        (f"POST /v1/models HTTP/1.1\r\nhost: evil.example\r\n{body}", 403),
        (f"POST /v1/models HTTP/1.1\r\nhost: localhost\r\n{body}", 401),
        (f"POST /nothing HTTP/1.1\r\nhost: localhost\r\n{chunked}", 404),
        (f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer s3cret\r\n{chunked}", 411),
        (f"GET /nothing HTTP/1.1\r\nhost: localhost\r\n{body}", 404),
        ("GET /nothing HTTP/1.1\r\nhost: [\r\n\r\n", 400),
        ("GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (f"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: {'9' * 5000}\r\n\r\n", 404),
        (f"PUT /health HTTP/1.1\r\nhost: localhost\r\n{body}", 405),
        (f"HEAD /health HTTP/1.1\r\nhost: localhost\r\n{body}", 200),
    ):
        said = whole_answer(server, head.encode())
        assert said.startswith(f"HTTP/1.1 {status}".encode()), head
        assert said.count(b"HTTP/1.1") == 1, head


def test_a_key_may_have_any_letters(start: Start, speaker: Speaker) -> None:
    head = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer schlüssel\r\n\r\n"
    assert whole_answer(start(speaker, key="schlüssel"), head.encode()).startswith(b"HTTP/1.1 200")


def test_what_the_gate_replies_is_given_by_a_full_server_too(start: Start, speaker: Speaker) -> None:
    import dataclasses

    server = start(speaker, dataclasses.replace(speaker, name="other", instead=lambda turns: Given("Given.")), limit=1)
    with long_stream(server):
        assert post(server).status_code == 503
        assert post(server, model="other").json()["choices"][0]["message"]["content"] == "Given."


def test_two_models_are_served_side_by_side(start: Start, speaker: Speaker) -> None:
    import dataclasses

    other = dataclasses.replace(speaker, name="other", instead=lambda turns: Given("Given."))
    server = start(speaker, other)
    api = client(server)
    assert [model.id for model in api.models.list()] == ["tiny", "other"]
    given = api.chat.completions.create(model="other", messages=HELLO)
    assert given.choices[0].message.content == "Given." and given.choices[0].finish_reason == "stop"
    streamed = api.chat.completions.create(model="other", messages=HELLO, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in streamed) == "Given."


def test_a_port_in_use_is_a_line(start: Start, speaker: Speaker, refused: Callable[..., str], tiny_gguf: Path) -> None:
    port = start(speaker).server_address[1]
    assert f"127.0.0.1:{port}" in refused("serve", "--model", tiny_gguf, "--port", port)


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_a_user_s_mistake_is_a_line(command: str, refused: Callable[..., str], tmp_path: Path, tiny_gguf: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_gguf.read_bytes()[:20_000])
    more = ("--port", "0") if command == "serve" else ()
    assert "is the file whole?" in refused(command, "--model", broken, *more)
    assert "manifest.json" in refused(command, tmp_path, *more)
    assert "no such system" in refused(command, "--system", "nobody", *more)
    assert "beside itself" in refused(command, "--beside", "everyday", *more)
    assert "stands alone" in refused(command, "--model", tiny_gguf, "--system", "base", *more)


def test_others_are_let_in_with_a_key_alone(refused: Callable[..., str], tiny_gguf: Path) -> None:
    assert "--key-env NAME" in refused("serve", "--model", tiny_gguf, "--host", "0.0.0.0")
    os.environ.pop("NO_SUCH_KEY", None)
    assert "NO_SUCH_KEY" in refused("serve", "--model", tiny_gguf, "--host", "0.0.0.0", "--key-env", "NO_SUCH_KEY")


def test_errors_are_told_apart(start: Start, speaker: Speaker) -> None:
    with pytest.raises(APIStatusError) as error:
        client(start(speaker)).models.retrieve("gone")
    assert error.value.status_code == 404 and error.value.code == "model_not_found"
