"""An endpoint: everything that generates text, be it a teacher, a judge or a student. `open.py` reaches one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from empathic.endpoints.dialect import Dialect


@dataclass(frozen=True)
class Capabilities:
    """What an endpoint can do, and how its answers stay the same; the defaults are those of a server over the network.

    Attributes:
        grammar: it takes a grammar in llama.cpp's GBNF.
        free: asking costs nothing, whatever its model is called.
        serial: each of its servers wants one request at a time, else answers vary with what is asked beside them; a
            recipe's limits, which are for servers of others, don't apply.
        cached_replies: its cache of prompts changes what it says, so a reply is asked for without it.
        cached_scores: its log-probabilities come again only from a cache as warm as it was, so a judging that was
            killed warms it first.
        verbatim: it takes thoughts and marks off by itself, so that what is left is what people will see.
    """

    grammar: bool = False
    free: bool = False
    serial: bool = False
    cached_replies: bool = False
    cached_scores: bool = False
    verbatim: bool = False


@dataclass(frozen=True)
class Endpoint:
    """Servers that are up and answer alike, and the name that their answers are kept under in the ledger.

    `max_connections` is how many requests they have at a time, at most, and `timeout` how many seconds an answer may
    take; the caps of a minute are what the provider allows. `extra_body`
    is what its requests hold besides ours. `dialect` is what it turned out to take, found while it is asked.
    """

    urls: tuple[str, ...]
    model: str
    identity: str
    key: str = "none"
    max_connections: int = 8
    capabilities: Capabilities = Capabilities()
    timeout: float = 300.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    dialect: Dialect = field(default_factory=Dialect, compare=False, repr=False)
