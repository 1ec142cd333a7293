"""Ways to ask the server of the tests."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx2
from openai import OpenAI

from empathic.conversation.server import Server

Start = Callable[..., Server]
HELLO: Any = [{"role": "user", "content": "Hello"}]


def client(server: Server, key: str = "none", retries: int = 0) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=retries)


def post(server: Server, **body: Any) -> Any:
    return httpx2.post(f"{server.url}/v1/chat/completions", json={"model": "tiny", "messages": HELLO, **body})


def long_stream(server: Server | int, name: str = "tiny") -> socket.socket:
    """A client that asks a server, or the one at a port, for a reply of thousands of tokens."""
    port = server if isinstance(server, int) else server.server_address[1]
    body = json.dumps({"model": name, "messages": HELLO, "stream": True, "max_tokens": 4000, "temperature": 2}).encode()
    asking = socket.create_connection(("127.0.0.1", port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    asking.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    assert asking.recv(12) == b"HTTP/1.1 200"
    return asking


def whole_answer(server: Server, request: bytes) -> bytes:
    """What a server answers to bytes, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5) as asking:
        asking.sendall(request)
        said = b""
        while block := asking.recv(65536):
            said += block
    return said
