from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from habits import REPLY, said

from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.connection import is_loopback
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError

HELLO = Request([{"role": "user", "content": "Hello."}], 9)
VARIABLES = [name for of in ("http_proxy", "https_proxy", "all_proxy") for name in (of, of.upper())]
SOCKS = (
    "can't be reached through the proxy that ALL_PROXY names"
    if importlib.util.find_spec("socksio")
    else r"ALL_PROXY names a SOCKS proxy.*pip install 'empathic\[socks\]'"
)
PROXIES = ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks://127.0.0.1:9"]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def _say(url: str, folder: Path) -> str:
    with open_endpoint(url, "m") as endpoint:
        return next(ask(endpoint, [HELLO], Ledger(folder / "l.sqlite"), "test")).text


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("proxy", PROXIES)
def test_this_machine_is_never_asked_through_a_proxy(
    habits, tmp_path: Path, monkeypatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    url = habits(lambda asked: said()).url
    assert _say(url, tmp_path) == REPLY
    assert _say(url.replace("127.0.0.1", "localhost"), tmp_path) == REPLY


@pytest.mark.parametrize(
    ("name", "proxy", "says"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:9", "can't be reached through the proxy that HTTP_PROXY names"),
        ("all_proxy", "http://127.0.0.1:9", "can't be reached through the proxy that all_proxy names"),
        (
            "ALL_PROXY",
            "socks5://u:hidden@127.0.0.1:9",
            SOCKS,
        ),
        ("all_proxy", "socks://u:hidden@127.0.0.1:9", "the proxy that all_proxy names can't be used"),
    ],
)
def test_a_proxy_that_does_not_work_is_one_line(tmp_path: Path, monkeypatch, name: str, proxy: str, says: str) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(UserError, match=says) as caught:
        _say("http://models.example/v1", tmp_path)
    assert "hidden" not in str(caught.value)


def test_other_machines_are_asked_through_the_proxy(habits, tmp_path: Path, monkeypatch) -> None:
    """The proxy here answers itself, for a server that there is not."""
    server = habits(lambda asked: said())
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    assert _say("http://models.example/v1", tmp_path) == REPLY
    assert server.headers[0]["Host"] == "models.example"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://LOCALHOST:80/v1", True),
        ("http://a.localhost/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://localhost.example/v1", False),
        ("http://192.168.0.2/v1", False),
        ("https://api.example/v1?x=127.0.0.1", False),
    ],
)
def test_what_is_of_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) == here


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:80a/v1",
        "http://localhost:99999/v1",
        "http://localhost:0",
        "http://[::1/v1",
        "http://",
        "http://a b/v1",
    ],
)
def test_an_address_that_can_be_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="not an address") as caught:
        _say(url, tmp_path)
    assert str(caught.value).startswith(f"{url}: ")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("“sk-abc”", "quotes"),
        ('"sk-abc"', "quotes"),
        ("’sk-abc", "quotes"),  # noqa: RUF001
        (" sk-abc", "blanks"),
        ("sk-abc\u00a0", "blanks"),
        ("sk-\u200babc", "blanks"),
        ("sk-abc\n", "line ends"),
        ("sk-abc\r\n", "line ends"),
        ('"sk abc"\n', "line ends and blanks and quotes"),
        ("sk-äbc", "characters that no key has"),
        ("  ", "missing"),
    ],
)
def test_a_key_that_can_be_none_is_told_and_not_shown(monkeypatch, key: str, says: str) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(UserError, match=says) as caught, open_endpoint("https://example.org/v1", "m", "SOME_KEY"):
        pass
    assert "SOME_KEY" in str(caught.value)
    assert "bc" not in str(caught.value).replace("SOME_KEY", "")
