"""llama.cpp on this machine's cores: a conversation timed, in a process of its own for each file."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import phone_talk as talk

from empathic.endpoints import llama_cpp

TESTED = 2**29  # bytes that the memory's speed is measured on
Message = dict[str, str]


def measured(path: Path, told: str, threads: int) -> dict[str, Any]:
    """A row of a file on so many threads; memory in MB."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_talk, path, told, threads).result()


def _talk(path: Path, told: str, threads: int) -> dict[str, Any]:
    before = _memory("VmRSS")
    start = time.perf_counter()
    server = llama_cpp.load(path, threads, n_parallel=1, n_ctx=talk.CONTEXT)
    load = time.perf_counter() - start
    client = openai.OpenAI(base_url=f"{server.listening_address}/v1", api_key="none")
    system = {"role": "system", "content": told}
    firsts, written = [], []
    _, first, tokens, seconds, _ = _reply(client, [system, {"role": "user", "content": talk.FIRST}])
    firsts.append(first)
    turns = [system]
    for said in talk.SAID:
        turns.append({"role": "user", "content": said})
        text, first, tokens, seconds, _ = _reply(client, turns)
        turns.append({"role": "assistant", "content": text})
        firsts.append(first)
        written.append((tokens, seconds))
    _, first, tokens, seconds, read = _reply(client, [{"role": "user", "content": talk.LONG}])
    written.append((tokens, seconds))
    found = talk.row(load, (read, first), firsts, written)
    return {**found, "memory_mb": round(_memory("VmHWM") - before)}


def _reply(client: openai.OpenAI, turns: list[Message]) -> tuple[str, float, int, float, int]:
    """The reply, seconds to its first token, tokens after that and their seconds, and the prompt's tokens."""
    create: Any = client.chat.completions.create  # its overloads know no dictionaries
    asked = {"max_tokens": talk.WRITTEN, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    start = time.perf_counter()
    text, times, read = "", [], 0
    for chunk in create(model="local", messages=turns, **asked):
        if chunk.choices and chunk.choices[0].delta.content:
            times.append(time.perf_counter() - start)
            text += chunk.choices[0].delta.content
        read = chunk.usage.prompt_tokens if chunk.usage else read
    return text, times[0], len(times) - 1, times[-1] - times[0], read


def _memory(key: str) -> float:
    """This process's memory in MB, a mapped file's included: now (`VmRSS`) or at its most (`VmHWM`)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{key}:")[1].split()[0]) * 1024 / 1e6


def bandwidth(threads: int) -> float:
    """Bytes a second that this many threads read from memory, in billions: the best of nine sums over 512 MB."""
    import torch

    numbers = torch.from_numpy(np.ones(TESTED // 4, np.float32))
    torch.set_num_threads(threads)
    best = float("inf")
    for _ in range(9):
        start = time.perf_counter()
        numbers.sum()
        best = min(best, time.perf_counter() - start)
    return TESTED / best / 1e9
