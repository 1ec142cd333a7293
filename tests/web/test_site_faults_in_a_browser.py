"""The site in a real Chromium where something is missing: parts of the student, of the site, or of the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from visiting import CRISIS, FIXED, READY, SAMPLING, Site, say

from empathic.web import site
from empathic.web.student import Student

pytestmark = pytest.mark.network


def test_a_new_site_is_taken_once_its_pages_are_closed(
    open_page: Callable[..., Any], served: Site, tiny_gguf: Path
) -> None:
    page = open_page()
    site.build(Student("other", tiny_gguf, None, SAMPLING, 512), served.folder)
    page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update())")
    page.wait_for_function("navigator.serviceWorker.getRegistration().then((found) => !!found.waiting)")
    again = page.context.new_page()
    page.close()
    again.wait_for_timeout(300)
    again.goto(served.url)
    again.locator(READY).wait_for()
    assert again.evaluate("speakers[0].id") == "other"


CUT_SHORT = """async () => {
  const name = (await caches.keys()).find((one) => one.startsWith("model")), store = await caches.open(name);
  const [request] = await store.keys(), bytes = await (await store.match(request)).arrayBuffer();
  await store.put(request, new Response(bytes.slice(0, 1000)));
}"""


def test_a_file_cut_short_is_fetched_again_or_told_of(open_page: Callable[..., Any], served: Site) -> None:
    page = open_page()
    page.evaluate(CUT_SHORT)
    page.reload()
    page.locator(READY).wait_for()
    page.evaluate(CUT_SHORT)
    served.cut()
    page.reload()
    page.get_by_text("A part of the student is missing on this device").wait_for()
    assert say(page, CRISIS) == FIXED


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("WebAssembly.validate = () => false", "This browser is too old"),
        ("Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'))", "keeps nothing"),
        ("delete Navigator.prototype.serviceWorker; delete self.caches", "keeps nothing"),
    ],
    ids=["no SIMD", "storage full", "storage denied"],
)
def test_what_a_browser_lacks_is_told_in_a_sentence(open_page: Callable[..., Any], before: str, said: str) -> None:
    page = open_page(before=before, ready=False)
    page.get_by_text(said).wait_for()
    if "keeps nothing" in said:
        assert say(page, "My boat sank.")
    else:
        assert say(page, CRISIS) == FIXED, "the gate needs no model"


SLOW = """
  const real = fetch, later = new Promise((resolve) => { self.go = resolve; });
  self.fetch = async (...asked) => {
    if (`${asked[0]}`.startsWith("model/")) await later;
    return real(...asked);
  };
"""


def test_what_is_said_while_the_student_comes_waits_for_it(open_page: Callable[..., Any], served: Site) -> None:
    page = open_page(SLOW, ready=False)
    page.locator(".send:enabled").wait_for()
    page.get_by_label("Your message").fill(CRISIS)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("a fixed reply").wait_for()
    page.get_by_label("Your message").fill("My boat sank.")
    page.get_by_role("button", name="Send").click()
    assert page.locator(".waiting").count() == 1 and page.locator(".loading").is_visible()
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Your message").fill("What is the weather?")
    page.get_by_role("button", name="Send").click()
    page.evaluate("go()")
    page.get_by_text("tokens/s").wait_for()
    assert page.locator(".error").is_hidden()


def test_a_damaged_file_on_the_server_is_told_of(open_page: Callable[..., Any], served: Site) -> None:
    part = next((served.folder / "model").iterdir())
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    page = open_page(ready=False)
    page.get_by_text("comes damaged from the server").wait_for()


def test_a_site_that_lacks_a_file_answers_all_the_same(open_page: Callable[..., Any], served: Site) -> None:
    (served.folder / "icon-512.png").unlink()
    page = open_page()
    assert "keeps nothing" in page.text_content(".note") and say(page, "My boat sank.")
