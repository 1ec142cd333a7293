"""The site in a real Chromium, which reaches this machine alone: it answers there, and with the server gone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from visiting import CRISIS, FIXED, READY, SAMPLING, TURNS, Site, say

from empathic.conversation.engine import Engine
from empathic.conversation.speaker import Speaker
from empathic.safety import replies

pytestmark = pytest.mark.network


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
# What the site keeps of a file beside it, which isn't its own.
OTHERS = """async () => {
  await navigator.serviceWorker.ready;
  await (await fetch("student.json?other")).text();
  await (await fetch("wllama/LICENCE")).text();
  const kept = [];
  for (const name of await caches.keys())
    for (const one of await (await caches.open(name)).keys()) kept.push(one.url);
  return kept.filter((url) => /LICENCE|\\?/.test(url));
}"""
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
    assert replies.package().disclosure() in page.text_content("header")
    assert page.evaluate(OTHERS) == []
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
    say(page, "My boat sank.")
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


# A reply is asked for once the warm-up has read its first piece of the instruction, and has pieces left.
WHILE_WARMING = """async (turns) => {
  const { Engine } = await import("./engine.js"), { load } = await import("./model.js");
  const settings = await (await fetch("student.json")).json();
  const engine = await Engine.start(settings, (await load(settings.parts, () => {})).blobs);
  const create = engine.wllama.createChatCompletion.bind(engine.wllama);
  let began, open = 0, most = 0;
  const reading = new Promise((resolve) => { began = resolve; });
  engine.wllama.createChatCompletion = async (asked) => {
    most = Math.max(most, ++open);
    const onData = (event) => { if (event.prompt_progress) began(); asked.onData(event); };
    try { return await create({ ...asked, onData }); } finally { open -= 1; }
  };
  const warm = engine.warm().then(() => "whole", (error) => error.name);
  await reading;
  let text = "", tokens = 0;
  for await (const event of engine.stream([{ role: "system", content: settings.told }, ...turns])) {
    tokens = event.tokens ?? tokens;
    for (const choice of event.choices ?? []) text += choice.delta.content ?? "";
  }
  const again = await engine.warm().then(() => "whole", (error) => error.name);
  engine.close();
  return { text, tokens, most, warm: await warm, again };
}"""


def test_a_message_breaks_the_warm_up_off_and_waits_for_its_end(
    open_page: Callable[..., Any], served: Site, tiny_gguf: Path
) -> None:
    told = "Be kind. " * 60
    served.change(told=told)
    page = open_page()
    found = page.evaluate(WHILE_WARMING, TURNS)
    assert (found["text"], found["tokens"]) == ours(tiny_gguf, TURNS, told)
    assert (found["most"], found["warm"], found["again"]) == (1, "AbortError", "whole")
    assert say(page, TURNS[0]["content"]) and page.locator(".error").is_hidden()


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
    page.get_by_label("Your message").fill("My boat sank.")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("The student broke off").wait_for()
    page.get_by_role("button", name="Send").click()
    page.get_by_text("tokens/s").wait_for()
    assert page.locator(".error").is_hidden() and page.locator(".turn").count() == 1
    assert page.evaluate(AFTER_AN_END) == [1, None], "a start that ended without a word had too little memory"
