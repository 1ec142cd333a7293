"""An endpoint: everything that generates text, be it a teacher, a judge or a student. `open.py` reaches one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """Servers that are up and answer alike, and the name that their answers are kept under in the ledger.

    `in_flight` is how many requests they have at a time, at most, and `timeout` how many seconds an answer may take;
    the caps of a minute are what the provider allows. `local` says that they are llama.cpp in this process,
    whose answers depend in their last digits on what is asked before and beside: keys and values that it kept, or
    computes for two requests at once, come out of batches of another size. So a local server has one at a time.
    """

    urls: tuple[str, ...]
    model: str
    identity: str
    key: str = "none"
    in_flight: int = 8
    local: bool = False
    timeout: float = 300.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
