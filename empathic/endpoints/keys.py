"""Keys: read from the environment, looked over before anything is sent, and never shown."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from empathic.errors import UserError

_FAULTS = {
    "line ends": r"[\r\n]",
    "blanks": r"[^\S\r\n]|[\u200b-\u200d\ufeff]",
    "quotes": r"[\"'`\u2018-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\uff02\uff07]",
}
_PROVIDERS = (  # name, the end of its hosts, how all of its keys begin
    ("Anthropic", "anthropic.com", ("sk-ant-",)),
    ("Cerebras", "cerebras.ai", ("csk-",)),
    ("Fireworks", "fireworks.ai", ("fw_",)),
    ("Google", "googleapis.com", ("AIza", "AQ.", "ya29.")),
    ("Groq", "groq.com", ("gsk_",)),
    ("Hugging Face", "huggingface.co", ("hf_",)),
    ("NVIDIA", "nvidia.com", ("nvapi-",)),
    ("OpenRouter", "openrouter.ai", ("sk-or-",)),
    ("Perplexity", "perplexity.ai", ("pplx-",)),
    ("xAI", "x.ai", ("xai-",)),
    ("OpenAI", "openai.com", ("sk-",)),
)


def read_key(where: str, variable: str) -> str:
    """The key that a variable holds.

    Args:
        where: the address that it is for.
        variable: the name of the environment variable.

    Raises:
        UserError: it is missing, or holds what no key does; says what, and not the key.
    """
    key = os.environ.get(variable, "")
    if not key.strip():
        raise UserError(f"{where}: the key is missing; set the environment variable {variable}")
    found = [what for what, pattern in _FAULTS.items() if re.search(pattern, key)]
    if not found and not re.fullmatch(r"[!-~]+", key):
        found = ["characters that no key has"]
    if found:
        raise UserError(f"{where}: the key in {variable} holds {' and '.join(found)}; set it without them")
    return key


def doubt(where: str, key: str) -> str:
    """Why a key may be another provider's than the address is, without the key; "" where nothing speaks for it."""
    host = urlsplit(where).hostname or ""
    for name, end, begins in _PROVIDERS:
        if host == end or host.endswith(f".{end}"):
            owner = _owner(key)
            if owner != name:
                looks = f"has the shape of one of {owner}'s" if owner else "has another shape"
                return f"{name}'s keys begin with {' or '.join(begins)}, and this one {looks}"
    return ""


def _owner(key: str) -> str:
    """Whose key it is by how it begins; "" where that is nobody's."""
    return next((name for name, _, begins in _PROVIDERS if key.startswith(begins)), "")
