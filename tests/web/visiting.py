"""A site that is served until it is cut off, and how a visitor talks there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from empathic.conversation.speaker import Sampling
from empathic.safety.gate import Gate

HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
READY = ".note:not([hidden])"
CRISIS = "I want to kill myself tonight."
TURNS = [
    {"role": "user", "content": "My dog died on Sunday."},
    {"role": "assistant", "content": "Sunday, and the house so still."},
    {"role": "user", "content": 'Ja. \U0001f3c6 \u0646\u0633\u064a\u062a, and I\'m "fine".'},
]
FIXED = Gate.load().check([{"role": "user", "content": CRISIS}]).reply
SAMPLING = Sampling(4, 0.0, 0)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@dataclass
class Site:
    """A folder that is served until it is cut off."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=self.folder))
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/"

    def cut(self) -> None:
        """Take the network away."""
        self.server.shutdown()
        self.server.server_close()

    def change(self, **settings: Any) -> None:
        """Change what the site says of its student."""
        path = self.folder / "student.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def say(page: Any, text: str) -> str:
    """Say something, and return the reply."""
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Send").wait_for()
    return str(page.locator(".reply .text").last.text_content())
