"""The page in a real Chromium."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from empathic.conversation.server import Server
from empathic.conversation.speaker import Given, Speaker

NASTY = "<img src=x onerror=document.title='run'><script>document.title='run'</script> [a](javascript:0)"
Start = Callable[..., Server]


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (1280, 800, "light")])
def test_two_models_answer_side_by_side_and_nothing_said_is_run(
    chromium: Any, start: Start, speaker: Speaker, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    nasty = dataclasses.replace(speaker, name="base", file="base.gguf", instead=lambda turns: Given(NASTY))
    server = start(speaker, nasty)
    page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(server.url)
    assert "software, not a person" in page.text_content("header")
    page.get_by_label("Your message").fill(NASTY)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("tokens/s").wait_for()
    page.get_by_role("button", name="Send").wait_for()
    left, right = (page.locator(".reply").nth(i).bounding_box() for i in (0, 1))
    assert (left["y"] == right["y"]) is (width > 640)
    assert page.text_content(".said") == page.locator(".text").nth(1).text_content() == NASTY
    assert "tiny.gguf" in page.locator(".speed").first.text_content()
    assert NASTY in page.text_content("[role=status]")
    page.get_by_label("Your message").fill("And again")
    page.get_by_role("button", name="Send").click()
    page.locator(".turn:nth-child(2) .reply:not(.waiting)").nth(1).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("histories.base.length") == 4
    page.get_by_role("button", name="Start over").click()
    assert page.locator(".turn").count() == 0
    assert page.title().startswith("Talk with")
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {server.url.split("/")[2]}
    assert said == []
    page.close()


def test_a_reply_can_be_stopped_and_a_mistake_is_told(chromium: Any, start: Start, speaker: Speaker) -> None:
    long = dataclasses.replace(speaker, sampling=dataclasses.replace(speaker.sampling, max_tokens=1500))
    page = chromium.new_page()
    page.goto(start(long, key="s3cret").url)
    page.get_by_label("This server wants a key").fill("s3cret")
    page.get_by_role("button", name="Use it").click()
    page.locator(".key").wait_for(state="hidden")
    text = page.get_by_label("Your message")
    # The tiny model is done before a mouse is there.
    page.evaluate("text.value = 'Hello'; $('.say').requestSubmit(); setTimeout(() => $('.stop').click(), 0)")
    page.get_by_text("stopped").wait_for()
    assert page.evaluate("histories.tiny.length") == 0
    text.fill("word " * 9000)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("too long").wait_for()
    assert text.input_value().startswith("word ")
    assert page.locator(".turn").count() == 1
    page.close()
