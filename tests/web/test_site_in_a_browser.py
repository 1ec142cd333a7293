"""The site in a real Chromium, which reaches this machine alone: it answers there, and with the server gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from empathic.conversation.engine import Engine
from empathic.conversation.speaker import Sampling, Speaker
from empathic.safety import replies
from empathic.safety.gate import Gate
from empathic.web import site
from empathic.web.student import Student

pytestmark = pytest.mark.network
HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
READY = ".note:not([hidden])"
CRISIS = "I want to kill myself tonight."
TURNS = [
    {"role": "user", "content": "My dog died on Sunday."},
    {"role": "assistant", "content": "Sunday, and the house so still."},
    {"role": "user", "content": 'Ja. \U0001f3c6 \u0646\u0633\u064a\u062a, and I\'m "fine".'},
]
FIXED = Gate.load().check([{"role": "user", "content": CRISIS}]).reply
SAMPLING = Sampling(4, 0.0, 0)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@dataclass
class Site:
    """A folder that is served until it is cut off."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=self.folder))
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/"

    def cut(self) -> None:
        """Take the network away."""
        self.server.shutdown()
        self.server.server_close()

    def change(self, **settings: Any) -> None:
        """Change what the site says of its student."""
        path = self.folder / "student.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))


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


def say(page: Any, text: str) -> str:
    """Say something, and return the reply."""
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Send").wait_for()
    return str(page.locator(".reply .text").last.text_content())


def ours(path: Path, turns: list[dict[str, str]], told: str | None = "Be kind.") -> tuple[str, int]:
    """llama.cpp's greedy reply to the same turns, and the length of the prompt."""
    engine = Engine(path, 1)
    try:
        chunks = [*Speaker("tiny", path.name, engine, told, SAMPLING).reply(turns)]
    finally:
        engine.close()
    return "".join(chunk.text for chunk in chunks), chunks[-1].prompt_tokens


ANSWER = """async (turns) => {
  const { Engine } = await import("./engine.js"), { load } = await import("./model.js");
  const settings = await (await fetch("student.json")).json();
  const engine = await Engine.start(settings, (await load(settings.parts, () => {})).blobs);
  let text = "", tokens = 0;
  for await (const event of engine.stream([{ role: "system", content: settings.told }, ...turns])) {
    tokens = event.tokens ?? tokens;
    for (const choice of event.choices ?? []) text += choice.delta.content ?? "";
  }
  engine.close();
  return { text, tokens, threads: engine.threads, compat: engine.wllama.getWorkerResources().compat };
}"""
# What Safari lacks; Chromium has no switch for it any more.
OLDER = """
  delete WebAssembly.Suspending;
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function (wanted) {
    if (wanted.address === "i64") throw new TypeError("32 bits here");
    return new Memory(wanted);
  };
"""
NO_SHARING = "delete self.SharedArrayBuffer; Object.defineProperty(self, 'crossOriginIsolated', { value: false });"


@pytest.mark.parametrize(
    ("before", "threads", "compat"),
    [
        ("Object.defineProperty(navigator, 'hardwareConcurrency', { value: 4 });", 2, False),
        (NO_SHARING, 1, False),
        (OLDER, 1, True),
    ],
    ids=["threads", "one thread", "compat"],
)
def test_it_answers_as_llama_cpp_does_and_goes_on_without_a_network(
    open_page: Callable[..., Any],
    served: Site,
    tiny_gguf: Path,
    before: str,
    threads: int,
    compat: bool,
) -> None:
    page = open_page(before=before)
    assert replies.disclosure() in page.text_content("header")
    reply = say(page, TURNS[0]["content"])
    served.cut()
    page.reload()
    page.locator(READY).wait_for()
    assert "with the network off" in page.text_content(".note")
    assert say(page, TURNS[0]["content"]) == reply == ours(tiny_gguf, TURNS[:1])[0]
    found = page.evaluate(ANSWER, TURNS)
    assert (found["text"], found["tokens"]) == ours(tiny_gguf, TURNS)
    assert (found["threads"], found["compat"]) == (threads, compat)
    assert say(page, CRISIS) == FIXED
    assert "a fixed reply" in page.locator(".speed").last.text_content()
    assert open_page.complaints == []  # type: ignore[attr-defined]


# The tiny model knows no full stops, at which the gate lets sentences through: one is put after every eighth token.
SENTENCES = """async () => {
  const { Engine } = await import("./engine.js"), { stream } = Engine.prototype;
  Engine.prototype.stream = async function* (...asked) {
    let tokens = 0;
    for await (const event of stream.apply(this, asked)) {
      const delta = event.choices?.[0]?.delta;
      if (delta?.content && ++tokens % 8 === 0) delta.content += ". ";
      yield event;
    }
  };
  self.seen = [];
  const shown = new MutationObserver(() => {
    const text = $(".reply .text")?.textContent ?? "";
    if (text && text !== seen.at(-1)) seen.push(text);
    if (seen.length === 3) { shown.disconnect(); $(".stop").click(); }
  });
  shown.observe($(".turns"), { childList: true, subtree: true, characterData: true });
}"""


def test_a_reply_streams_and_stops(open_page: Callable[..., Any], served: Site) -> None:
    served.change(max_tokens=400)
    page = open_page()
    page.evaluate(SENTENCES)
    say(page, "Hello")
    assert "stopped" in page.text_content(".speed")
    seen = page.evaluate("seen")
    assert len(seen) == 3 and all(b.startswith(a) for a, b in pairwise(seen))
    assert page.evaluate("histories.tiny.length") == 2
    page.get_by_role("button", name="Start over").click()
    page.get_by_label("Your message").fill("And now?")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Send").wait_for()
    assert page.locator(".turn").count() == 1


def test_long_conversations_go_on_and_markup_is_never_run(open_page: Callable[..., Any], served: Site) -> None:
    served.change(window=96, max_tokens=8)
    page = open_page()
    nasty = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"
    say(page, nasty)
    assert page.locator(".said").text_content() == nasty and page.title().startswith("Talk with")
    for number in range(4):
        say(page, f"It rained on day {number}, and I stayed in all of it.")
    assert page.locator(".reply:not(.waiting)").count() == 5 and page.locator(".error").is_hidden()
    page.get_by_label("Your message").fill("word " * 200)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("too long").wait_for()
    assert page.get_by_label("Your message").input_value().startswith("word ")
    assert say(page, "Shorter.") and page.locator(".error").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


BREAK = """async () => {
  const { Engine } = await import("./engine.js"), { stream } = Engine.prototype;
  Engine.prototype.stream = async function* () {
    Engine.prototype.stream = stream;
    throw new WebAssembly.RuntimeError("unreachable");
  };
}"""
AFTER_AN_END = """async () => {
  const { Engine } = await import("./engine.js"), { load } = await import("./model.js");
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 4 });
  localStorage.setItem("starting", "1");
  const settings = await (await fetch("student.json")).json();
  const engine = await Engine.start(settings, (await load(settings.parts, () => {})).blobs);
  engine.close();
  return [engine.threads, localStorage.getItem("starting")];
}"""


def test_a_student_that_breaks_off_is_started_anew(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(BREAK)
    page.get_by_label("Your message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("The student broke off").wait_for()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("tokens/s").wait_for()
    assert page.locator(".error").is_hidden() and page.locator(".turn").count() == 1
    assert page.evaluate(AFTER_AN_END) == [1, None], "a start that ended without a word had too little memory"


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
        assert say(page, "Hello")
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
    page.get_by_label("Your message").fill("Hello")
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
    assert "keeps nothing" in page.text_content(".note") and say(page, "Hello")
