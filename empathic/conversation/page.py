"""The page to chat on, in one file."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, StrictUndefined

_NOTICE = (
    "<strong>This is software, not a person or a therapist.</strong> It feels nothing and can misread you. "
    "In an emergency, call your local emergency number."
)
_KEPT = "Nothing is kept: closing or reloading this page forgets the conversation."
_KEY = """<form class="key" hidden>
<label for="key">This server wants a key</label>
<div class="row"><input id="key" type="password" autocomplete="off" required><button type="submit">Use it</button></div>
</form>"""


def page() -> tuple[bytes, str]:
    """The page, and a policy that lets nothing run or load but what is in it."""
    css, js = part("page.css"), part("page.js") + part("remote.js")
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(js)}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    head = f'<link rel="icon" href="data:,">\n<style>{css}</style>'
    return filled(head=head, notice=_NOTICE, kept=_KEPT, above=_KEY, scripts=f"<script>{js}</script>").encode(), policy


def filled(**parts: str) -> str:
    """The page's HTML.

    Args:
        parts: HTML for its places: `head` (icon and style), `notice` (what this is), `kept` (what becomes of what is
            said), `above` (over the field to write in) and `scripts`.
    """
    return Environment(undefined=StrictUndefined).from_string(part("page.html")).render(parts)


def part(name: str) -> str:
    """The text of a file of the page."""
    return (resources.files("empathic.conversation") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
