"""OpenAI's Batch API: half the price, an answer within a day.

A run hands over all that it would ask, and ends; the same command another day fetches what came. Answers are matched by
`custom_id`, and kept in the ledger as those of `Client` are.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from empathic import files
from empathic.endpoints.answers import THOUGHT_TOO_LONG
from empathic.endpoints.batch_lines import PATH, Result, parts, request_line, result
from empathic.endpoints.chat_api import Answer, InvalidResponse, Request, body, ledger_key, limit
from empathic.endpoints.connection import connect_waiting
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.generator import (
    ATTEMPTS,
    AnswerPending,
    Check,
    MessageRefused,
    NoRoomToAnswer,
    RequestFailed,
)
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.pricing import Budget, Prices, estimated_tokens
from empathic.endpoints.refusals import Refusal, refusal
from empathic.errors import UserError

HASH = 48  # digits of the ledger's hash in an id, which hosts let have 64 characters with the attempt
_UNDER_WAY = {"validating", "in_progress", "finalizing", "cancelling"}


class BatchClient:
    """Asks by batches what `Client` asks one by one; its answers come in a later run.

    Args:
        endpoint: OpenAI's, or a server that has its files and batches endpoints.
        ledger: where answers, and batches under way, are kept.
        budget: with prices of a batch.
        live: prices of what was asked like any question; None: as in a batch.
    """

    def __init__(self, endpoint: Endpoint, ledger: Ledger, budget: Budget, live: Prices | None = None) -> None:
        self.endpoint, self.ledger, self.budget, self.live = endpoint, ledger, budget, live
        self.wanted: dict[str, tuple[str, dict[str, Any]]] = {}  # id: purpose and body
        self.given_up: list[str] = []  # ids of the attempts at requests that got no usable answer
        self.useless: dict[str, str] = {}  # ids of attempts that another follows, and why

    async def answer(self, request: Request, purpose: str, check: Check = lambda answer: None) -> Answer:
        """The answer to a request, where a batch has brought it.

        Raises:
            AnswerPending: none has yet.
            RequestFailed: as `Client.answer` does.
        """
        key = ledger_key(self.endpoint, request)
        if (kept := self.ledger.get(key)) is not None:
            return Answer(**kept)
        why = ""
        for attempt in range(ATTEMPTS):
            id = _id(key, attempt)
            brought, dialect = self._brought(id, request, purpose), self.endpoint.dialect
            asked = dialect.say(body(self.endpoint, request, request.seed + attempt))
            if brought is None:
                self.budget.reserve(request.messages, limit(self.endpoint, request))
                self.wanted[id] = (purpose, asked)
            if brought is None or (brought["answer"] is None and brought["error"] is None):
                raise AnswerPending
            try:
                if brought["answer"] is None:
                    self._learn(brought["error"], asked)
                    raise InvalidResponse(brought["error"])
                answer = Answer(**brought["answer"])
                check(answer)
            except InvalidResponse as error:
                self.useless[id] = why = str(error)
                continue
            except (MessageRefused, NoRoomToAnswer):
                self.given_up.append(id)
                raise
            self.ledger.put(
                key,
                asdict(answer),
                model=self.endpoint.identity,
                purpose=purpose,
                tokens=brought["tokens"],
                attempts=attempt + 1,
                cost=brought["cost"],
            )
            self.ledger.mark_used(id)
            return answer
        self.given_up += [_id(key, attempt) for attempt in range(ATTEMPTS)]
        raise RequestFailed(f"{why}, {ATTEMPTS} times")

    def _brought(self, id: str, request: Request, purpose: str) -> dict[str, Any] | None:
        """What the ledger has of an attempt, as `Ledger.batched` has it."""
        return self.ledger.batched(id)

    def _learn(self, error: str, asked: dict[str, Any]) -> None:
        """What a line's error says of the lines to come.

        Raises:
            MessageRefused: it is of this message.
            NoRoomToAnswer: another line would think as long.
        """
        said = Refusal(400, error)
        if error == THOUGHT_TOO_LONG or said.of_thought:
            raise NoRoomToAnswer(error)
        if said.of_filter or said.of_length:
            raise MessageRefused(error)
        self.endpoint.dialect.learn(said, asked, self.endpoint.extra_body)

    @contextlib.contextmanager
    def _server(self) -> Iterator[Any]:
        """The server; whatever it refuses is one line."""
        import openai

        url = self.endpoint.urls[0]
        with connect_waiting(url, self.endpoint.key, retries=5) as server:
            try:
                yield server
            except openai.OpenAIError as error:
                why = str(error)
                if isinstance(error, openai.APIStatusError):
                    why = str(refusal(error.status_code, error.response.text, self.endpoint.key))
                why = " ".join(why.split())[:200]
                raise UserError(
                    f"{url}: the batch can't be handed over or fetched ({why}); mend that and run again"
                ) from error

    def fetch(self) -> tuple[int, int]:
        """Fetch what batches under way have brought; how many batches are still under way, with how many requests."""
        with self._server() as server:
            waiting = requests = 0
            for name, lines in self.ledger.pending_batches(self.endpoint.identity).items():
                batch = self._found(server, name, lines)
                if batch is None:
                    self.ledger.forget_batch(name)
                elif batch.status in _UNDER_WAY:
                    waiting, requests = waiting + 1, requests + len(lines)
                else:
                    self._import(server, batch, lines)
            return waiting, requests

    def _found(self, server: Any, name: str, lines: dict[str, str]) -> Any:
        """A batch by its id; by our mark, where the run was killed before it could note the id."""
        if not name.startswith("empathic-"):
            return server.batches.retrieve(name)
        for batch in server.batches.list(limit=100):
            if (batch.metadata or {}).get("empathic") == name:
                self.ledger.mark_submitted(batch.id, self.endpoint.identity, lines)
                return batch
        return None

    def _import(self, server: Any, batch: Any, lines: dict[str, str]) -> None:
        """Keep every line of a batch that is over, whatever their order; what has none gets an error."""
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            for line in server.files.content(file).text.split("\n"):  # U+2028 ends no line of JSON
                row = _row(line)
                if row.get("custom_id") in lines:
                    self._keep(result(row, self.endpoint.key))
        for id in lines:
            self.ledger.store_batch_result(id, None, f"the batch is {batch.status}, without an answer")

    def _keep(self, found: Result, request: Request | None = None) -> None:
        """Keep what a line brought; a later one of the same id changes nothing.

        With prices, tokens that the server left uncounted are estimated, where the request is known.
        """
        tokens = found.tokens
        if request and found.text is not None:
            most = found.why == THOUGHT_TOO_LONG
            written = limit(self.endpoint, request) if most else estimated_tokens(found.text)
            tokens = self.budget.counted(tokens, request.messages, written)
        cost = self.budget.settle(0.0, tokens, self.live if found.live else None)
        self.ledger.store_batch_result(
            found.id, asdict(found.answer) if found.answer else None, found.why, tokens, cost
        )

    def hand_over(self) -> int:
        """Hand over all that was asked for and is in no batch; how many requests."""
        ids = iter(self.wanted)
        with self._server() as server:
            for part in map(list, parts(request_line(id, asked) for id, (_, asked) in self.wanted.items())):
                lines = {id: self.wanted[id][0] for id in itertools.islice(ids, len(part))}
                mark = f"empathic-{files.digest(sorted(lines))[:40]}"
                self.ledger.mark_submitted(mark, self.endpoint.identity, lines)
                file = server.files.create(file=("requests.jsonl", b"".join(part)), purpose="batch")
                batch = server.batches.create(
                    input_file_id=file.id, endpoint=PATH, completion_window="24h", metadata={"empathic": mark}
                )
                self.ledger.mark_submitted(batch.id, self.endpoint.identity, lines)
        return len(self.wanted)


def _id(key: dict[str, Any], attempt: int) -> str:
    return f"{files.digest(key)[:HASH]}-{attempt}"


def _row(line: str) -> dict[str, Any]:
    """What a line of a batch brought; nothing where it is garbled."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
