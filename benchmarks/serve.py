"""What `empathic serve` bears, and what it costs over llama.cpp alone.

    python benchmarks/serve.py [--model smollm2-135m] [--seconds 60] [--messages 40]

Load: fifty clients at a time ask, wait, stream, leave midway, send nonsense and messages for the gate; then how soon a
place is free again whose client went. Overhead: the same messages to llama.cpp's own server (xllamacpp, its defaults)
and to `empathic serve` with and without its gate, greedily, in an order that turns with every message; two turns of a
conversation each. The time to the first word is compared with llama.cpp's, and behind the gate, which shows whole
sentences, with llama.cpp's time to its first whole sentence. Rows go to benchmarks/serve.json; what they mean is in
docs/chat.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from machine import machine
from scipy import stats
from serve_load import Served, load, seconds_to_free, serving

from empathic import files, models
from empathic.conversation.engine import WINDOW
from empathic.conversation.guard import _whole
from empathic.conversation.server import SLOTS
from empathic.dialogues import sources
from empathic.endpoints import llama_cpp
from empathic.recipe import Dialogues
from empathic.student import prompt

OUT = Path(__file__).parent / "serve.json"
CLIENTS, TOKENS = 50, 48
Row = dict[str, Any]


@dataclass(frozen=True)
class Timing:
    """A reply as a client sees it.

    Attributes:
        first: seconds to the first word.
        sentence: seconds to the first whole sentence.
        total: seconds to the end.
        tokens: of the reply.
        text: the reply.
    """

    first: float
    sentence: float
    total: float
    tokens: int
    text: str


@dataclass(frozen=True)
class Arm:
    """A server of the chat API, by its address, and the name of the model there."""

    port: int
    model: str

    def reply(self, messages: Sequence[dict[str, str]]) -> Timing:
        """Ask, and take the times."""
        body = {"model": self.model, "messages": messages, "max_tokens": TOKENS, "temperature": 0, "stream": True}
        body["stream_options"] = {"include_usage": True}
        text, first, sentence, tokens, started = "", 0.0, 0.0, 0, time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
            for line in connection.getresponse():
                if not line.startswith(b"data: {"):
                    continue
                event, now = json.loads(line[6:]), time.perf_counter() - started
                for choice in event["choices"]:
                    text += choice["delta"].get("content") or ""
                first = first or (now if text else 0)
                sentence = sentence or (now if _whole(text) else 0)
                tokens = event.get("usage", {}).get("completion_tokens", tokens)
        total = time.perf_counter() - started
        return Timing(first, sentence or total, total, tokens, text)


@contextmanager
def alone(path: Path) -> Iterator[Arm]:
    """llama.cpp's own server, as it comes, with as many places and as long a context."""
    server = llama_cpp.load(path, len(os.sched_getaffinity(0)), n_parallel=SLOTS, n_ctx=SLOTS * WINDOW)
    yield Arm(urlsplit(server.listening_address).port or 0, "llama.cpp")


def overhead(model: str, messages: int) -> list[Row]:
    """What the server costs: by turn of a conversation and kind of server."""
    told = {"role": "system", "content": prompt.instruction("brief")}
    said = [d.utterance for d in sources.load_dialogues(Dialogues(), 0) if d.split == "test"][: 2 * messages]
    with alone(models.gguf(model)) as llama, serving(model, "--without-gate") as bare, serving(model) as gated:
        arms = {"llama.cpp": llama, "serve --without-gate": _arm(bare), "serve": _arm(gated)}
        for arm in arms.values():
            arm.reply([told, {"role": "user", "content": "Hello."}])
        found: dict[tuple[str, int], list[Timing]] = {(name, turn): [] for name in arms for turn in (1, 2)}
        for at in range(messages):
            names = [*arms][at % 3 :] + [*arms][: at % 3]
            talks: dict[str, list[dict[str, str]]] = {name: [told] for name in names}
            for turn in (1, 2):
                for name in names:
                    talks[name].append({"role": "user", "content": said[2 * at + turn - 1]})
                    timing = arms[name].reply(talks[name])
                    talks[name].append({"role": "assistant", "content": timing.text})
                    found[name, turn].append(timing)
    return [_overhead_row(name, turn, found) for name, turn in found]


def _arm(server: Served) -> Arm:
    return Arm(server.port, server.model)


def _overhead_row(name: str, turn: int, found: dict[tuple[str, int], list[Timing]]) -> Row:
    """Medians of one server, and of its ratios to llama.cpp's, message by message, with 95% intervals.

    Replies whose text isn't llama.cpp's are counted and left out: the gate's, and those where a near tie fell the
    other way. Behind the gate whole sentences are shown, so that its first piece is compared with a first sentence.
    """
    asked = [*zip(found["llama.cpp", turn], found[name, turn], strict=True)]
    pairs = [(a, b) for a, b in asked if a.text == b.text]
    row: Row = {"what": "overhead", "server": name, "turn": turn, "n": len(pairs), "other": len(asked) - len(pairs)}
    row["first_piece_ms"] = round(1000 * statistics.median(b.first for _, b in pairs), 1)
    row["tokens_per_second"] = round(statistics.median(b.tokens / b.total for _, b in pairs), 2)
    if name == "llama.cpp":
        row["first_sentence_ms"] = round(1000 * statistics.median(b.sentence for _, b in pairs), 1)
    else:
        gated = name == "serve"
        row["first_ratio"] = _median([b.first / (a.sentence if gated else a.first) for a, b in pairs])
        row["speed_ratio"] = _median([a.total / b.total for a, b in pairs])
    return row


def _median(values: list[float]) -> list[float]:
    """A median, and the ends of its 95% interval (of order statistics, without assumptions)."""
    low, high = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    return [round(float(value), 3) for value in (statistics.median(values), low, high)]


def bearing(model: str, seconds: float) -> Row:
    """What fifty clients at a time get, and the memory of the server before and after."""
    with serving(model) as server:
        load(server, CLIENTS, seconds / 6)
        weights = [server.megabytes()]
        found = []
        for _ in range(2):
            found.append(load(server, CLIENTS, seconds))
            weights.append(server.megabytes())
    count = {key: sum(one.count[key] for one in found) for key in ("replies", "left", "gate", "refused", "503")}
    first, total = (sorted(s for one in found for s in getattr(one, key)) for key in ("first", "total"))
    return {
        **{"what": "load", "clients": CLIENTS, "seconds": 2 * seconds, **count},
        "faults": [fault for one in found for fault in one.faults],
        "first_piece_s": [round(first[int(len(first) * share)], 2) for share in (0.5, 0.95)],
        "whole_reply_s": [round(total[int(len(total) * share)], 2) for share in (0.5, 0.95)],
        "megabytes": [round(one) for one in weights],
    }


def freeing(model: str, times: int = 10) -> list[Row]:
    """How soon a place is free whose client went, and a waiting reply begins there."""
    rows = []
    with serving(model, "--without-gate") as server:
        for reading in (False, True):
            seconds = sorted(seconds_to_free(server, SLOTS, reading) for _ in range(times))
            row = {"what": "free", "while": "reading" if reading else "writing", "n": times}
            rows.append({**row, "median_s": round(statistics.median(seconds), 3), "most_s": round(seconds[-1], 3)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="What empathic serve bears and costs.")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--messages", type=int, default=40)
    given = parser.parse_args()
    rows: list[Row] = []
    for part in (
        lambda: overhead(given.model, given.messages),
        lambda: freeing(given.model),
        lambda: [bearing(given.model, given.seconds)],
    ):
        for row in part():
            rows.append({**row, "model": given.model, "machine": machine()})
            print(json.dumps(row), flush=True)
            files.write_json(OUT, rows)


if __name__ == "__main__":
    main()
