"""Seconds a question of judging by behaviours, with the prompt's prefix kept between questions and without.

    python benchmarks/judging.py [--judge local:qwen2.5-coder-1.5b] [--replies 20]

A server each way, on this machine's cores, asked in turn reply by reply: the default questions and one more, three in
all; replies are Everyday's `targeted` ones to its test dialogues. Prints medians, their ratio with quartiles over
replies, and what 250 dialogues of two systems take.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import openai

from empathic.dialogues import sources
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.open import open_endpoint
from empathic.judge.measures import behaviours
from empathic.recipe import Dialogues

DIALOGUES, SYSTEMS = 250, 2
THIRD = {"understands": "Does the reply understand what the message says?"}


def three() -> behaviours.Questions:
    """The default questions, and a third that the examples answer like the first."""
    ours = behaviours.questions()
    examples = [{**one.model_dump(), "answers": [*one.answers, one.answers[0]]} for one in ours.examples]
    return behaviours.Questions.model_validate({"questions": ours.questions | THIRD, "examples": examples})


def asked(endpoint: Endpoint, reply: behaviours.JudgedReply, of: behaviours.Questions, kept: bool) -> float:
    """Seconds for all questions about a reply."""
    server = openai.OpenAI(base_url=endpoint.urls[0], api_key=endpoint.key)
    started = time.perf_counter()
    create: Any = server.chat.completions.create  # its overloads know no dictionaries
    for request in behaviours.requests(reply, of):
        create(
            model=endpoint.model,
            messages=request.messages,
            max_tokens=1,
            logprobs=True,
            top_logprobs=request.top_logprobs,
            extra_body={"cache_prompt": kept},
        )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of judging by behaviours.")
    parser.add_argument("--judge", default="local:qwen2.5-coder-1.5b")
    parser.add_argument("--replies", type=int, default=20)
    given = parser.parse_args()
    tests = [d for d in sources.load_dialogues(Dialogues(), 0) if d.split == "test"][: given.replies]
    replies = [behaviours.JudgedReply(d.utterance, d.replies["targeted"].text, d.emotion) for d in tests]
    of = three()
    found: dict[bool, list[float]] = {True: [], False: []}
    with open_endpoint(given.judge) as one, open_endpoint(given.judge) as other:
        for reply in [replies[0], *replies]:  # the first warms up, and leaves what all share
            for kept, endpoint in ((True, one), (False, other)):
                found[kept].append(asked(endpoint, reply, of, kept))
    ours, plain = (times[1:] for times in (found[True], found[False]))
    questions = len(of.texts)
    low, middle, high = statistics.quantiles([b / a for a, b in zip(ours, plain, strict=True)], n=4)
    for name, times in (("kept", ours), ("not kept", plain)):
        whole = statistics.mean(times) * DIALOGUES * SYSTEMS / 60
        each = statistics.median(times) / questions
        print(f"prefix {name}: {each:.2f} s a question; {DIALOGUES} dialogues, {SYSTEMS} systems: {whole:.0f} min")
    print(
        f"{middle:.2f} times faster ({low:.2f} to {high:.2f}), {questions} questions a reply, n = {len(ours)} replies"
    )


if __name__ == "__main__":
    main()
