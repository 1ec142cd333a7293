"""Everything that generates text is an endpoint: one client for teachers, judges and students.

`local:NAME` serves a GGUF file with llama.cpp on loopback for as long as it is needed; any other endpoint
is the base URL of a server that speaks the OpenAI chat API.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from empathic import files, models
from empathic.errors import UserError
from empathic.ledger import Ledger

Message = dict[str, str]
_AGAIN = 9  # scored requests that are asked again where a judging goes on


@dataclass(frozen=True)
class Request:
    """One chat request, with everything that determines its answer.

    `top_logprobs` above 0 asks for that many log-probabilities of the first token.
    """

    messages: list[Message]
    max_tokens: int
    temperature: float = 0.0
    top_logprobs: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """The text of an answer, why it ended ("stop" or "length"), and the first token's log-probabilities."""

    text: str
    finish: str
    logprobs: dict[str, float]


@dataclass(frozen=True)
class Endpoint:
    """Servers that are up and answer alike, and the name that their answers are kept under in the ledger.

    `in_flight` is how many requests each of them has at a time. `local` says that they are llama.cpp in this process,
    whose answers depend in their last digits on what is asked before and beside: keys and values that it kept, or
    computes for two requests at once, come out of batches of another size. So a local server has one at a time.
    """

    urls: tuple[str, ...]
    model: str
    identity: str
    key: str = "none"
    in_flight: int = 8
    local: bool = False


@contextmanager
def open_endpoint(
    where: str,
    model: str | None = None,
    key_env: str | None = None,
    parallel: int = 1,
    say: Callable[[str], None] = print,
) -> Iterator[Endpoint]:
    """Reach an endpoint; a `local:` one runs inside this block.

    Args:
        where: `local:NAME`, `local:PATH.gguf`, or a base URL such as https://api.openai.com/v1.
        model: the model to ask for; needed by most remote servers.
        key_env: the environment variable that holds the key.
        parallel: requests in flight; for `local:` so many servers, each with its share of the cores.
        say: told of a model being fetched.

    Raises:
        UserError: an endpoint of neither form, a missing key, or a model that can't be loaded.
    """
    if where.startswith("local:"):
        with _serve(where.removeprefix("local:"), parallel, say) as endpoint:
            yield endpoint
        return
    if not where.startswith(("http://", "https://")):
        raise UserError(f"{where}: not an endpoint; want local:NAME, local:PATH.gguf, or an http(s) URL")
    key = os.environ.get(key_env, "") if key_env else "none"
    if not key:
        raise UserError(f"{where}: the key is missing; set the environment variable {key_env}")
    yield Endpoint((where,), model or "default", f"{where} {model or 'default'}", key, max(parallel, 8))


@contextmanager
def _serve(name: str, parallel: int, say: Callable[[str], None]) -> Iterator[Endpoint]:
    """Serve a GGUF file with llama.cpp on free loopback ports."""
    path = models.gguf(name, say)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = 1
    params.n_ctx = 4096
    params.verbosity = -1
    params.warmup = False
    threads = max(1, len(os.sched_getaffinity(0)) // parallel)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        servers = [xllamacpp.Server(params) for _ in range(parallel)]
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp can't load it ({error}); is the file whole?") from error
    try:
        identity = models.KNOWN[name].sha256 if name in models.KNOWN else files.sha256(path)
        urls = tuple(f"{server.listening_address}/v1" for server in servers)
        yield Endpoint(urls, "local", f"gguf:{identity}", in_flight=1, local=True)
    finally:
        del servers


def ask(
    endpoint: Endpoint,
    requests: Sequence[Request],
    ledger: Ledger,
    purpose: str,
    advance: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Ask all requests, those first that the ledger doesn't know; answers come in the order of the requests.

    Args:
        endpoint: a server that is up.
        requests: what to ask.
        ledger: where answers are kept before they are used.
        purpose: what the ledger files them under, such as "replies".
        advance: called once for every answer.

    Raises:
        UserError: the server can't be reached or refuses; names it and says why.
    """
    return asyncio.run(_ask(endpoint, requests, ledger, purpose, advance))


async def _ask(
    endpoint: Endpoint, requests: Sequence[Request], ledger: Ledger, purpose: str, advance: Callable[[], None]
) -> list[Answer]:
    import openai

    free: asyncio.Queue[openai.AsyncOpenAI] = asyncio.Queue()

    async def one(request: Request) -> Answer:
        key = _key(endpoint, request)
        client = await free.get()
        try:
            kept = ledger.get(key)
            if kept is None:
                started = time.monotonic()
                kept, tokens = await _chat(client, endpoint, request)
                ledger.put(
                    key,
                    kept,
                    model=endpoint.identity,
                    purpose=purpose,
                    tokens=tokens,
                    seconds=time.monotonic() - started,
                )
        finally:
            free.put_nowait(client)
        advance()
        return Answer(**kept)

    async with AsyncExitStack() as stack:
        clients = [
            openai.AsyncOpenAI(base_url=url, api_key=endpoint.key, max_retries=5, timeout=300) for url in endpoint.urls
        ]
        for client in clients:
            await stack.enter_async_context(client)
            for _ in range(endpoint.in_flight):
                free.put_nowait(client)
        try:
            for client in clients if endpoint.local else []:
                for request in _again(requests, lambda request: ledger.get(_key(endpoint, request)) is None):
                    await _chat(client, endpoint, request)
            async with asyncio.TaskGroup() as asking:
                tasks = [asking.create_task(one(request)) for request in requests]
        except (ExceptionGroup, openai.OpenAIError) as raised:
            error = raised.exceptions[0] if isinstance(raised, ExceptionGroup) else raised
            if isinstance(error, openai.OpenAIError):
                raise UserError(f"{endpoint.urls[0]}: {_plain(error)}") from error
            raise error from None
    return [task.result() for task in tasks]


def _again(requests: Sequence[Request], missing: Callable[[Request], bool]) -> list[Request]:
    """Scored requests to ask a local server again before the first without an answer, for the state they leave it in.

    The first, whose beginning all share, and those just before, so that a judging that was killed goes on as it was.
    """
    scored = [request for request in requests if request.top_logprobs]
    first = next((i for i, request in enumerate(scored) if missing(request)), None)
    return [] if first is None else [scored[0], *scored[max(1, first - _AGAIN) : first]]


def _key(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """All that determines an answer."""
    return {"model": endpoint.identity, **asdict(request)}


async def _chat(client: Any, endpoint: Endpoint, request: Request) -> tuple[dict[str, Any], tuple[int, int]]:
    """One request over the wire: the answer as the ledger keeps it, and prompt and completion tokens."""
    extra: dict[str, Any] = {}
    if request.top_logprobs:
        extra = {"logprobs": True, "top_logprobs": request.top_logprobs}
    elif endpoint.local:
        extra = {"extra_body": {"cache_prompt": False}}  # a reply is a function of its prompt alone
    reply = await client.chat.completions.create(
        model=endpoint.model,
        messages=request.messages,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        seed=request.seed,
        **extra,
    )
    choice = reply.choices[0]
    first = choice.logprobs.content[0].top_logprobs if request.top_logprobs and choice.logprobs else []
    answer = Answer(
        text=(choice.message.content or "").strip(),
        finish=choice.finish_reason or "stop",
        logprobs={token.token: token.logprob for token in first},
    )
    usage = reply.usage
    return asdict(answer), (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)


def _plain(error: BaseException) -> str:
    """An API error in one line, without what a request held."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return f"the server refused the key ({status}); check the variable that key_env names"
    if status:
        return f"the server answered {status} ({' '.join(str(error).split())[:200]})"
    return "the server can't be reached; is it up, and the address right?"
