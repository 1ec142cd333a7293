"""An endpoint: everything that generates text, be it a teacher, a judge or a student. `open.py` reaches one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """Servers that are up and answer alike, and the name that their answers are kept under in the ledger.

    `max_connections` is how many requests they have at a time, at most, and `timeout` how many seconds an answer may
    take; the caps of a minute are what the provider allows. `local` says that they are llama.cpp in this process. Its
    log-probabilities vary slightly with the state of the KV cache and the batch size, so a local server gets one
    request at a time.
    """

    urls: tuple[str, ...]
    model: str
    identity: str
    key: str = "none"
    max_connections: int = 8
    local: bool = False
    timeout: float = 300.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
