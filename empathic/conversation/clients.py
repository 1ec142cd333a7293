"""The clients of a server: whether one is still there, and the replies that are being written for them."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from empathic.conversation.speaker import Reply

_LOOK = 0.25  # seconds between two looks at whether a client is still there


class Replies:
    """The replies that are being written."""

    def __init__(self) -> None:
        self._open: dict[int, Reply] = {}
        self._lock, self._ended = threading.Lock(), False

    @contextmanager
    def kept(self, reply: Reply) -> Iterator[None]:
        """Keep a reply for as long as the block lasts; close it then, and at once where all were ended."""
        with self._lock:
            self._open[id(reply)] = reply
            ended = self._ended
        try:
            if ended:
                reply.close()
            yield
        finally:
            reply.close()
            with self._lock:
                del self._open[id(reply)]

    def end(self) -> None:
        """Close all of them, and those that are still to come."""
        with self._lock:
            self._ended, found = True, [*self._open.values()]
        for reply in found:
            reply.close()


@contextmanager
def while_there(client: socket.socket, reply: Reply) -> Iterator[None]:
    """End a reply once the client that asked for it is gone, even before its first word."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK):
            if gone(client):
                reply.close()
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def gone(client: socket.socket) -> bool:
    """Whether a client has closed its connection."""
    try:
        looked = select.poll()  # select.select takes no descriptor above 1,023
        looked.register(client, select.POLLIN)
        return bool(looked.poll(0)) and not client.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True
