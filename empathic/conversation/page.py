"""The page to chat on, in one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources

from empathic.safety.compliance import Notice

MARK = "mode=machine-generated"  # in the words of draft-abaris-aicdh, AI Content Disclosure Header


def page(notices: Sequence[Notice], marked: bool) -> tuple[bytes, str]:
    """The page, and a policy that lets nothing run or load but what is in it.

    Args:
        notices: what stands above the conversation.
        marked: whether the page says to machines that its replies are generated.
    """
    html, css, js = (_part(f"page.{kind}") for kind in ("html", "css", "js"))
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    told = "\n".join(_notice(one) for one in notices)
    mark = f'<meta name="ai-disclosure" content="{MARK}">' if marked else ""
    parts = {"<!--mark-->": mark, "<!--notices-->": told, "/*css*/": css, "/*js*/": js}
    for place, part in parts.items():
        html = html.replace(place, part)
    return html.encode(), policy


def _notice(notice: Notice) -> str:
    return f'<p class="notice{" strong" if notice.strong else ""}">{escape(notice.text)}</p>'


@cache
def _part(name: str) -> str:
    return (resources.files("empathic.conversation") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
