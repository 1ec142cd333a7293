"""The page to chat on, in one file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources

from jinja2 import Environment, StrictUndefined

from empathic.safety.compliance import Notice

MARK = "mode=machine-generated"  # in the words of draft-abaris-aicdh, AI Content Disclosure Header
_KEPT = "Nothing is kept: closing or reloading this page forgets the conversation."
_KEY = """<form class="key" hidden>
<label for="key">This server wants a key</label>
<div class="row"><input id="key" type="password" autocomplete="off" required><button type="submit">Use it</button></div>
</form>"""


def page(notices: Sequence[Notice], marked: bool) -> tuple[bytes, str]:
    """The page, and a policy that lets nothing run or load but what is in it.

    Args:
        notices: what stands above the conversation.
        marked: whether the page says to machines that its replies are generated.
    """
    css, js = part("page.css"), part("page.js") + part("remote.js")
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    head = f'<link rel="icon" href="data:,">\n<style>{css}</style>'
    if marked:
        head += f'\n<meta name="ai-disclosure" content="{MARK}">'
    html = filled(head=head, notices=told(notices), kept=_KEPT, above=_KEY, scripts=f"<script>{js}</script>")
    return html.encode(), policy


def told(notices: Sequence[Notice]) -> str:
    """Notices as HTML."""
    return "\n".join(f'<p class="notice{" strong" if one.strong else ""}">{escape(one.text)}</p>' for one in notices)


def filled(**parts: str) -> str:
    """The page's HTML.

    Args:
        parts: HTML for its places: `head` (icon and style), `notices` (what this is), `kept` (what becomes of what is
            said), `above` (over the field to write in) and `scripts`.
    """
    return Environment(undefined=StrictUndefined).from_string(part("page.html")).render(parts)


@cache
def part(name: str) -> str:
    """The text of a file of the page."""
    return (resources.files("empathic.conversation") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
