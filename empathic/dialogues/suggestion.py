"""A recipe's lines for what was inspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empathic.dialogues import sources
from empathic.dialogues.inspection import Inspection
from empathic.recipe import steps

_CHOOSE = "choose: teachers are learnt from, and preferred to rejected"
_ASK = (
    "no replies are here to learn from, so a teacher writes them: local:NAME, or a server's address with model, key_env"
)
_MORE = "a run wants two dialogues or more: one is tested on"
_ENDPOINT = "local:qwen2.5-coder-1.5b"
_KNOWN = (*sources.EVERYDAY, "welivita", "empathetic-dialogues")


def lines(found: Inspection, source: str, columns: Mapping[str, str]) -> str:
    """The lines as YAML, with comments where something is to be chosen.

    Args:
        found: what the source holds.
        source: as the recipe would name it.
        columns: field -> column, as was asked for.
    """
    import yaml

    def told(part: dict[str, Any]) -> str:
        return str(yaml.safe_dump(part, sort_keys=False, allow_unicode=True))

    own = source in _KNOWN or (found.splits["train"] and found.splits["test"])
    dialogues: dict[str, Any] = {"source": source, "split": "source" if own else "random"}
    parts = [f"# {_MORE}\n"] if len(found.lengths) == 1 else []
    parts.append(told({"dialogues": {**dialogues, **({"columns": dict(columns)} if columns else {})}}))
    # Where people's replies stand beside others, they are likelier the ones that were to be bettered.
    origins = sorted((origin for origin, _ in found.origins.most_common()), key=lambda origin: origin == "human")
    if {"chosen", "rejected"} <= set(origins):
        parts.append(told({"method": {"name": "direct", "teachers": ["chosen"], "rejected": ["rejected"]}}))
    elif len(origins) > 1:
        method = {"name": "direct", "teachers": origins[:1], "rejected": origins[1:]}
        parts += [f"# {_CHOOSE}\n", told({"method": method})]
    elif origins:
        parts.append(
            told({"method": {"name": "direct", "teachers": origins}, "steps": [{"name": steps.DEFAULT[0].name}]})
        )
    else:
        method = {"name": "llm-improved", "rejected": ["direct"]}
        parts += [f"# {_ASK}\n", told({"method": method, "teacher": {"endpoint": _ENDPOINT}})]
    return "".join(parts)
