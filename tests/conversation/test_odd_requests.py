"""Requests that are odd or wrong: each gets a status and a sentence of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asking import HELLO, Start, client, post, whole_answer

from empathic.conversation import wire
from empathic.conversation.messages import BadMessage, checked
from empathic.conversation.server import Server
from empathic.conversation.speaker import Speaker
from empathic.conversation.wire import Refused
from empathic.errors import UserError

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("host", ["ü..x", "x" * 70 + ".example", "a\0b", "192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_elsewhere_is_a_line_about_the_host(host: str) -> None:
    with pytest.raises(UserError, match=r"^--host: can't listen on .*; name an address of this computer$"):
        Server(host, key="s3cret")


def test_a_port_that_is_taken_is_a_line_about_the_port() -> None:
    with (
        Server() as taken,
        pytest.raises(UserError, match=r"^--port: can't listen on .*; name another port$"),
    ):
        Server(port=taken.server_address[1])


def test_serve_says_so_too(refused: Callable[..., str], tiny_gguf: Path) -> None:
    said = refused("serve", "--model", tiny_gguf, "--host", "ü..x", "--key-env", "K", K="s3cret")
    assert said.startswith("empathic: --host: can't listen on ü..x:8766")


@pytest.mark.parametrize("name", ["my model", "tiny[1]", "geschrieben für Ömer", "a/b", "100%", "a+b?c#d"])
def test_a_model_is_found_whatever_its_name(start: Start, speaker: Speaker, name: str) -> None:
    server = start(dataclasses.replace(speaker, name=name))
    assert client(server).models.retrieve(name).id == name


def test_an_umlaut_in_plain_utf_8_is_understood(start: Start, speaker: Speaker) -> None:
    server = start(dataclasses.replace(speaker, name="für"))
    assert spoken(server, "GET /v1/models/für HTTP/1.1\r\nhost: localhost\r\n").startswith("HTTP/1.1 200")


def part(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}, more]}]}


SENTENCES: list[tuple[dict[str, Any], str, str]] = [
    ({"stop": 5}, "stop", "stop: want a text, or a list of texts"),
    ({"stop": [3]}, "stop", "stop[0]: want a text"),
    ({"stop": ""}, "stop", "stop[0]: want at least one character"),
    ({"messages": []}, "messages", "messages: want at least 1"),
    ({"messages": HELLO * 401}, "messages", "messages: want at most 400"),
    ({"messages": "Hello"}, "messages", "messages: want a list of messages"),
    ({"messages": ["Hello"]}, "messages", "messages[0]: want an object"),
    ({"messages": [{"role": "assistant", "content": "a"}]}, "messages", "messages: the last message must be a user's"),
    (
        {"messages": [{"role": "tool", "content": "a"}]},
        "messages",
        "messages[0].role: want 'system', 'developer', 'user' or 'assistant'",
    ),
    ({"messages": [{"role": "user"}]}, "messages", "messages[0].content is missing"),
    (
        {"messages": [{"role": "user", "content": None}]},
        "messages",
        "messages[0].content: want a text, or a list of text parts",
    ),
    (
        part(type="image_url", image_url={"url": "data:"}),
        "messages",
        "messages[0].content[1]: only text parts are taken, not 'image_url'",
    ),
    (part(type="input_audio"), "messages", "messages[0].content[1]: only text parts are taken, not 'input_audio'"),
    (part(type="text"), "messages", "messages[0].content[1].text is missing"),
    ({"messages": [{"role": "user", "content": [5]}]}, "messages", "messages[0].content[0]: want an object"),
    (part(type=["text"]), "messages", "messages[0].content[1].type: want 'text'"),
    ({"tools": [{}]}, "tools", "tools isn't taken here; leave it out"),
    ({"stream_options": {"str": 1}}, "stream_options", "stream_options.str isn't taken here; leave it out"),
    ({"stream_options": {"include_usage": "x"}}, "stream_options", "stream_options.include_usage: want true or false"),
    ({"n": 2}, "n", "n: want 1"),
    ({"temperature": -1}, "temperature", "temperature: want at least 0"),
    ({"temperature": "hot"}, "temperature", "temperature: want a number"),
    ({"top_p": 0}, "top_p", "top_p: want more than 0"),
    ({"seed": 2**32}, "seed", "seed: want less than 4294967296"),
    ({"seed": 1.5}, "seed", "seed: want a whole number"),
    ({"stream": "yes"}, "stream", "stream: want true or false"),
    ({"model": None}, "model", "model: want a text"),
]


@pytest.mark.parametrize(("body", "field", "sentence"), SENTENCES)
def test_a_field_that_cannot_be_taken_is_named_in_a_plain_sentence(
    body: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(Refused) as error:
        wire.read(json.dumps({"model": "tiny", "messages": HELLO, **body}).encode())
    assert error.value.status == 400
    assert error.value.body()["error"] == {
        **{"message": sentence, "type": "invalid_request_error"},
        **{"param": field, "code": None},
    }


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body is no JSON that can be read, from line 1 column 1 on"),
        (b"", "the body is no JSON that can be read, from line 1 column 0 on"),
        (b"[]", "the body: want an object"),
    ],
)
def test_a_body_that_is_no_request_is_told_of_without_a_field(body: bytes, sentence: str) -> None:
    with pytest.raises(Refused) as error:
        wire.read(body)
    assert (str(error.value), error.value.param) == (sentence, None)


def test_texts_in_either_shape_are_one() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    request = wire.read(
        json.dumps({"model": "a", "messages": [{"role": "user", "content": parts}], "stop": "x"}).encode()
    )
    assert request.turns == HELLO and request.asked == {"stop": ["x"]}
    assert wire.read(json.dumps({"model": "a", "messages": HELLO}).encode()).turns == HELLO


def test_what_a_request_is_about_stands_in_the_error(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    for body, field in (({"model": "gpt"}, "model"), ({"messages": [{"role": "user", "content": ""}]}, "messages")):
        assert post(server, **body).json()["error"]["param"] == field


def test_head_is_get_without_a_body(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    with httpx2.Client(base_url=server.url) as asking:
        for path in ("/", "/health", "/v1/models", "/v1/models/tiny", "/nothing", "/v1/models/gone"):
            got, head = asking.get(path), asking.head(path)
            assert head.status_code == got.status_code and head.content == b""
            same = ("content-length", "content-type", "content-security-policy")
            assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same]
    said = spoken(server, "HEAD /health HTTP/1.1\r\nhost: localhost\r\n")
    assert said.startswith("HTTP/1.1 200") and said.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, "POST"),
        ("HEAD", CHAT, "POST"),
        ("PUT", CHAT, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/tiny", "GET, HEAD"),
        ("DELETE", "/v1/models/tiny", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_served_is_told_which_is(
    start: Start, speaker: Speaker, method: str, path: str, allowed: str
) -> None:
    server = start(speaker)
    for content in (None, b"{}"):
        refused = httpx2.request(method, f"{server.url}{path}", content=content)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert method == "HEAD" or refused.json()["error"]["message"] == f"want {allowed.split(',')[0]}"


def test_where_nothing_is_the_routes_are_named(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    for method, path in (("GET", "/v1"), ("GET", "/v1/"), ("POST", "/nothing"), ("PUT", "/nothing")):
        refused = httpx2.request(method, f"{server.url}{path}")
        assert refused.status_code == 404
        said = refused.json()["error"]["message"]
        for route in ("POST /v1/chat/completions", "GET /v1/models", "GET /v1/models/NAME", "GET /health", "GET /"):
            assert route in said


@pytest.mark.parametrize(
    ("length", "status", "why"),
    [
        ("", 411, "content-length"),
        ("transfer-encoding: chunked\r\n", 411, "content-length"),
        ("transfer-encoding: chunked\r\ncontent-length: 2\r\n", 411, "content-length"),
        ("content-length: -1\r\n", 400, "a whole number"),
        ("content-length: +2\r\n", 400, "a whole number"),
        ("content-length: two\r\n", 400, "a whole number"),
        ("content-length: \xb2\r\n", 400, "a whole number"),
        ("content-length:\r\n", 400, "a whole number"),
        ("content-length: 2\r\ncontent-length: 7\r\n", 400, "a whole number"),
        (f"content-length: {'9' * 5000}\r\n", 413, "the message is too long"),
    ],
)
def test_a_length_that_cannot_be_is_told_apart(
    start: Start, speaker: Speaker, length: str, status: int, why: str
) -> None:
    said = spoken(start(speaker), f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{length}", "latin-1")
    assert said.startswith(f"HTTP/1.1 {status} ") and said.count("HTTP/1.1") == 1
    assert why in error_of(said)["message"] and "connection: close" in said


def test_a_message_that_is_too_long_is_told_of_in_words_for_a_person(start: Start, speaker: Speaker) -> None:
    refused = post(start(speaker), messages=[{"role": "user", "content": "a" * 1_000_001}])
    said = refused.json()["error"]["message"]
    assert refused.status_code == 413
    assert said.startswith("the message is too long") and "content-length" not in said


def test_lines_that_are_no_request_of_http_1_1(start: Start, speaker: Speaker) -> None:
    server = start(speaker)
    for line, status, why in (
        (f"GET /{'a' * 70_000} HTTP/1.1", 414, "the address is too long"),
        ("GET /health HTTP/2.0", 505, "want HTTP/1.1"),
        ("PRI * HTTP/2.0", 505, "want HTTP/1.1"),
        ("nonsense", 400, "not HTTP"),
        ("GET /a b c HTTP/1.1", 400, "not HTTP"),
        ("GET / HTTP/one", 400, "not HTTP"),
    ):
        said = spoken(server, f"{line}\r\nhost: localhost\r\n")
        assert f" {status} " in said.splitlines()[0], line[:20]
        assert error_of(said)["type"] == "invalid_request_error"
        assert why in error_of(said)["message"]
    long = spoken(server, f"GET /health HTTP/1.1\r\nhost: localhost\r\na: {'a' * 70_000}\r\n")
    assert " 431 " in long.splitlines()[0] and "header" in error_of(long)["message"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_of_a_key_has_no_case(start: Start, speaker: Speaker, scheme: str) -> None:
    server = start(speaker, key="s3cret")
    assert models(server, f"{scheme} s3cret") == 200
    for wrong in (f"{scheme} S3CRET", f"{scheme} s3cre", f"{scheme}s3cret", scheme, "s3cret", "Basic s3cret", ""):
        assert models(server, wrong) == 401, wrong


EMPTY = [
    *("", " \n", "\u200b\u200b", "\ufeff", "\u2060", "\ufe0f", "\ufe0e\ufe0f", "\U000e0100", "\u200d", "\u00ad"),
    *("\u3164", " \u200b\n\u2063 ", "\u202e\u202c", "\U000e0041\U000e007f"),
]


@pytest.mark.parametrize("text", EMPTY, ids=ascii)
def test_a_message_that_shows_nothing_is_empty(text: str) -> None:
    with pytest.raises(BadMessage, match="the message is empty; write something"):
        checked([{"role": "user", "content": text}])


@pytest.mark.parametrize(
    "text",
    [".", "\u2764\ufe0f", "\U0001f469\u200d\U0001f467", "1\ufe0f\u20e3", "\u200ba", "\U0001f3f4\U000e0067\U000e007f"],
    ids=ascii,
)
def test_what_shows_something_is_left_as_it_is(text: str) -> None:
    turns = [{"role": "user", "content": text}]
    assert checked(turns) == turns


def test_the_api_refuses_what_shows_nothing(start: Start, speaker: Speaker) -> None:
    refused = post(start(speaker), messages=[{"role": "user", "content": "\u200b\u200b"}])
    assert refused.status_code == 400 and "the message is empty" in refused.json()["error"]["message"]


def test_the_page_sends_what_shows_nothing_no_more_than_what_is_empty(
    chromium: Any, start: Start, speaker: Speaker
) -> None:
    page = chromium.new_page()
    page.goto(start(speaker).url)
    page.locator(".send:not([disabled])").wait_for()
    sent = "text => { $('#text').value = text; $('.say').requestSubmit(); return turns.children.length; }"
    for text in EMPTY:
        assert page.evaluate(sent, text) == 0, ascii(text)
    assert page.evaluate(sent, "\u2764\ufe0f") == 1
    page.close()


def models(server: Server, authorization: str) -> int:
    return httpx2.get(f"{server.url}/v1/models", headers={"authorization": authorization}).status_code


def spoken(server: Server, head: str, encoding: str = "utf-8") -> str:
    """What a server answers to a head, to the end of the connection."""
    return whole_answer(server, f"{head}connection: close\r\n\r\n".encode(encoding)).decode()


def error_of(said: str) -> Any:
    return json.loads(said.split("\r\n\r\n", 1)[1])["error"]
