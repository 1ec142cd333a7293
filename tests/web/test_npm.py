"""Packages of npm's registry, from a registry of the tests' own."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Handler, servers

from empathic.errors import UserError
from empathic.web import npm

Serve = Callable[[bytes, int], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """A registry that gives one tarball, with a status; it is what npm is told to ask."""
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with servers() as begin:

        def start(body: bytes, status: int = 200) -> str:
            class Registry(Handler):
                def do_GET(self) -> None:
                    there = self.path == "/v1/@ours/small/-/small-1.2.3.tgz"
                    self.send(status if there else 404, body, {"Content-Type": "application/octet-stream"})

            url = begin(Registry)
            monkeypatch.setenv("npm_config_registry", f"{url}/")
            return url

        yield start


def _tarball() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        info = tarfile.TarInfo("package/esm/index.js")
        info.size = 6
        packed.addfile(info, io.BytesIO(b"export"))
    return out.getvalue()


def _package(body: bytes) -> npm.Package:
    digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
    return npm.Package("@ours/small", "1.2.3", digest, {"esm/index.js": "small/small.js"})


def test_a_package_is_fetched_once_and_kept(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, told = _tarball(), list[str]()
    serve(body, 200)
    npm.unpack(_package(body), tmp_path / "out", told.append)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    npm.unpack(_package(body), tmp_path / "again", told.append)
    assert (tmp_path / "again" / "small" / "small.js").read_text(encoding="utf-8") == "export"
    assert len(told) == 1 and "small 1.2.3" in told[0]


def test_another_hash_is_refused_and_not_kept(serve: Serve, tmp_path: Path) -> None:
    body = _tarball()
    serve(body + b"more", 200)
    with pytest.raises(UserError, match=r"small 1\.2\.3: .*wrong hash"):
        npm.tarball(_package(body))
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_damaged_copy_is_fetched_again(serve: Serve, tmp_path: Path) -> None:
    body = _tarball()
    serve(body, 200)
    path = npm.tarball(_package(body))
    path.write_bytes(body[:-5])
    assert npm.tarball(_package(body)).read_bytes() == body


def test_no_network_and_no_package_are_one_line(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(b"", 503)
    with pytest.raises(UserError, match="it answers 503"):
        npm.tarball(_package(b""))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"can't be fetched from 127\.0\.0\.1 .*check the network"):
        npm.tarball(_package(b""))


def test_the_registry_is_the_one_that_npm_would_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY", "npm_config_userconfig", "NPM_CONFIG_USERCONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    default = npm.registry("@ours")
    assert default.startswith("https://")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".npmrc").write_text("; mine\nregistry = https://a.example/npm/\nfund=false\n")
    assert npm.registry("@ours") == "https://a.example/npm"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://b.example")
    assert npm.registry("@ours") == "https://b.example"
    monkeypatch.setenv("PART", "c")
    (tmp_path / ".npmrc").write_text('@ours:registry="https://${PART}.example/"\n')
    assert npm.registry("@ours") == "https://c.example"
    assert npm.registry("@theirs") == "https://b.example"


@pytest.mark.parametrize("named", ["nonsense", "registry.example/npm", "ftp://a.example", "https://", "http://a:b"])
def test_a_registry_that_is_no_address_is_told_by_who_says_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    serve(b"", 200)
    monkeypatch.setenv("npm_config_registry", named)
    with pytest.raises(UserError, match=r"^npm_config_registry isn't an address; write it as https://"):
        npm.tarball(_package(b""))
    (tmp_path / ".npmrc").write_text(f"@ours:registry={named}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"\.npmrc: @ours:registry isn't an address"):
        npm.tarball(_package(b""))


def test_an_npmrc_that_cant_be_read_is_left_out_and_told_of(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    body, told = _tarball(), list[str]()
    serve(body, 200)
    monkeypatch.setenv("npm_config_userconfig", "/proc/self/mem")  # a file, and not to be read even by root
    assert npm.tarball(_package(body), told.append).exists()
    assert told[0].startswith("/proc/self/mem: can't be read (") and len(told) == 2


def test_a_registry_that_sends_no_end_is_left(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "_MOST", 100)
    serve(b"x" * 1000, 200)
    with pytest.raises(UserError, match="sends no end of it"):
        npm.unpack(_package(b""), tmp_path / "out", print)
    assert not list((tmp_path / "cache" / "npm").glob("*.tgz"))
