"""A server that speaks the chat API over real HTTP and misbehaves on command; run as a process of its own.

    python fault_server.py --latency 0.3 --limit 64 --faults 0.3

Prints its port. `GET /counts` says how often each request came and was answered well, and the most at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import time
from collections import Counter
from typing import Any

FAULTS = ("429", "429 with Retry-After", "500", "reset", "hang", "truncated", "empty", "cut off", "refusal", "drip")


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.came: Counter[str] = Counter()
        self.well: Counter[str] = Counter()
        self.flying = self.most = self.refused = 0
        self.seconds: dict[str, list[float]] = {}
        self.files: list[str] = []
        self.made: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, EOFError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head, re.I)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, path = head.split(b" ", 2)[:2]
                if path.endswith(b"/counts"):
                    counts = {"came": self.came, "well": self.well, "most": self.most, "refused": self.refused}
                    await self.send(writer, 200, {**counts, "seconds": self.seconds})
                elif path.endswith(b"/chat/completions"):
                    await self.chat(json.loads(body), reader, writer)
                else:
                    await self.batches(method.decode(), path.decode().split("?")[0], body, writer)
        writer.close()

    async def chat(self, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()
        self.came[known] += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        started = time.monotonic()
        try:
            if self.flying > self.options.limit:
                self.refused += 1
                await self.send(writer, 429, {"error": {"message": "slow down"}})
                return
            await asyncio.sleep(self.options.latency)
            for name in self.options.takes_no or ():
                if name in body:
                    await self.send(writer, 400, {"error": {"message": f"Unsupported parameter: '{name}'."}})
                    return
            dice = random.Random(f"{self.options.seed} {known} {self.came[known]}")
            fault = dice.choice(self.options.only or FAULTS) if dice.random() < self.options.faults else ""
            if fault == "hang":
                await reader.read(1)  # until the client has had enough
                raise ConnectionResetError
            await self.answer(body, known, fault, writer)
        finally:
            self.flying -= 1
            self.seconds.setdefault(known, []).append(time.monotonic() - started)

    async def answer(self, body: dict[str, Any], known: str, fault: str, writer: asyncio.StreamWriter) -> None:
        told = hashlib.sha256(f"{known} {body['seed']}".encode()).hexdigest() if self.options.varied else known
        text = f"That sounds like {told[:6]} and {told[6:12]}, and a long day of it."
        if body["messages"][-1]["content"].endswith("Answer yes or no."):
            text = ("Yes", "No")[int(known, 16) % 2]
        if "Dimension:" in body["messages"][-1]["content"]:
            text = f"Dimension: {('cognitive', 'affective')[int(known, 16) % 2]}\nReply: {text}"
        if fault.startswith("429"):
            more = {"Retry-After": "0.5"} if "Retry" in fault else {}
            code = "insufficient_quota" if "quota" in fault else "rate_limit_exceeded"
            await self.send(writer, 429, {"error": {"message": "slow down", "code": code}}, more)
        elif fault.isdigit():
            await self.send(writer, int(fault), {"error": {"message": "no luck"}})
        elif fault == "reset":
            writer.transport.abort()
            raise ConnectionResetError
        else:
            text = {"empty": "", "refusal": "I'm sorry, but I can't help with that."}.get(fault, text)
            finish = "length" if fault == "cut off" else "stop"
            choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            full = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            if not fault or fault == "drip":
                self.well[known] += 1
            await self.send(writer, 200, {**full, "usage": usage}, fault=fault)

    async def batches(self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        """OpenAI's files and batches, whose lines come back in any order, twice, with an error, or not at all."""
        if method == "POST" and path.endswith("/files"):
            text = body.split(b'filename="requests.jsonl"', 1)[1].split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            self.files.append(text.decode())
            await self.send(writer, 200, {"id": f"file-{len(self.files) - 1}", "object": "file"})
        elif method == "GET" and path.endswith("/content"):
            await self.send(writer, 200, self.files[int(path.split("/")[-2].removeprefix("file-"))], raw=True)
        elif method == "POST":
            asked = json.loads(body)
            batch = {"id": f"batch-{len(self.made)}", "object": "batch", "status": "in_progress", **asked}
            self.made.append(batch)
            await self.send(writer, 200, batch)
        elif path.endswith("/batches"):
            await self.send(writer, 200, {"object": "list", "data": self.made, "has_more": False})
        else:
            batch = self.made[int(path.rsplit("-", 1)[1])]
            answer = dict(batch)
            if batch["status"] == "in_progress":
                self.finish(batch)  # by the next time that somebody asks
            await self.send(writer, 200, answer)

    def finish(self, batch: dict[str, Any]) -> None:
        lines = [
            json.loads(line) for line in self.files[int(batch["input_file_id"].removeprefix("file-"))].splitlines()
        ]
        out, errors = [], []
        for line in lines:
            known = hashlib.sha256(json.dumps(line["body"]["messages"]).encode()).hexdigest()
            self.came[known] += 1
            if refused := next((name for name in self.options.takes_no or () if name in line["body"]), ""):
                error = {"error": {"message": f"Unsupported parameter: '{refused}'."}}
                errors.append({"custom_id": line["custom_id"], "response": {"status_code": 400, "body": error}})
                continue
            dice = random.Random(f"{self.options.seed} {known} {self.came[known]}")
            fault = dice.choice(("expired", "500", "empty")) if dice.random() < self.options.faults else ""
            if fault == "expired":
                continue
            if fault == "500":
                errors.append({"custom_id": line["custom_id"], "response": {"status_code": 500, "body": {}}})
                continue
            said = "" if fault else f"That sounds like {known[:6]} and {known[6:12]}, and a long day of it."
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            full = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            row = {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": {**full, "usage": usage}}}
            out += [row] * dice.choice((1, 1, 2))
        random.Random(self.options.seed).shuffle(out)
        for name, rows in (("output_file_id", out), ("error_file_id", errors)):
            self.files.append("".join(json.dumps(row) + "\n" for row in rows))
            batch[name] = f"file-{len(self.files) - 1}"
        batch["status"] = "completed"

    async def send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        value: Any,
        more: dict[str, str] | None = None,
        fault: str = "",
        raw: bool = False,
    ) -> None:
        data = value.encode() if raw else json.dumps(value).encode()
        if fault == "truncated":
            data = data[: len(data) // 2]
        lines = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(more or {})}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{key}: {value}\r\n" for key, value in lines.items()) + "\r\n"
        if fault == "drip":
            writer.write(head.encode())
            for start in range(0, len(data), 100):
                writer.write(data[start : start + 100])
                await writer.drain()
                await asyncio.sleep(0.1)
        else:
            writer.write(head.encode() + data)
        await writer.drain()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--limit", type=int, default=10**9)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--only", action="append")
    parser.add_argument("--takes-no", action="append", help="refuse a parameter of this name")
    parser.add_argument("--varied", action="store_true", help="another answer for another seed")
    parser.add_argument("--seed", type=int, default=0)
    server = Server(parser.parse_args())
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 24)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
