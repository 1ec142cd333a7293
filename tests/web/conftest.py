"""The tiny model as a site, and a Chromium that reaches this machine alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from visiting import HOSTS, PHONE, READY, SAMPLING, Site

from empathic.web import site
from empathic.web.student import Student


@pytest.fixture(scope="module")
def built(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the tiny model, told something."""
    folder = tmp_path_factory.mktemp("built") / "site"
    site.build(Student("tiny", tiny_gguf, "Be kind.", SAMPLING, 512), folder)
    return folder


@pytest.fixture
def served(built: Path, tmp_path: Path) -> Iterator[Site]:
    """A copy of it, on a server."""
    shutil.copytree(built, tmp_path / "site")
    one = Site(tmp_path / "site")
    yield one
    one.cut()


@pytest.fixture(scope="module")
def alone(chromium: Any) -> Iterator[Any]:
    """Chromium that finds no other host than this machine."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    browser = chromium.browser_type.launch(executable_path=found, args=["--no-sandbox", HOSTS])
    yield browser
    browser.close()


@pytest.fixture
def open_page(alone: Any, served: Site) -> Iterator[Callable[..., Any]]:
    """The site on a phone's screen, loaded; what it asks for and complains of is kept in `served.asked` and checked."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def start(before: str = "", ready: bool = True) -> Any:
        context = alone.new_context(**PHONE)
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.on("request", lambda request: served.asked.append(request.url))
        context.add_init_script(before)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(served.url)
        if ready:
            page.locator(READY).wait_for()
        return page

    start.complaints = complaints  # type: ignore[attr-defined]
    yield start
    for context in contexts:
        context.close()
    hosts = {url.split("/")[2] for url in served.asked if url.startswith("http")}
    assert hosts == {served.host}
