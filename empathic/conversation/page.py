"""The page to chat on, in one file."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def page() -> tuple[bytes, str]:
    """The page, and a policy that lets nothing run or load but what is in it."""
    html, css, js = (_part(f"page.{kind}") for kind in ("html", "css", "js"))
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return html.replace("/*css*/", css).replace("/*js*/", js).encode(), policy


def _part(name: str) -> str:
    return (resources.files("empathic.conversation") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
