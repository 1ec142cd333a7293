"""The `Modelfile` that Ollama makes a model of: the file, its template in Go's language, and how it answers."""

from __future__ import annotations

import re
from typing import Any

from empathic.phone.turns import turns


def modelfile(gguf: str, tokenizer: Any, instruction: str, temperature: float, max_tokens: int, adds_bos: bool) -> str:
    """The text of a Modelfile.

    Args:
        gguf: the GGUF file's name, beside the Modelfile.
        tokenizer: the student's, with its chat template.
        instruction: what the student is told.
        temperature: as the student was judged; 0 is greedy.
        max_tokens: the longest reply.
        adds_bos: whether the file has the first token added to every prompt; the template must not add it again.
    """
    end = turns(tokenizer)
    lines = [f"FROM ./{gguf}"]
    if end is None:
        lines.append("# Go's language has no words for this chat template; Ollama reads the one in the file.")
    else:
        lines += [f'TEMPLATE """{template(tokenizer, adds_bos)}"""', f'PARAMETER stop "{tokenizer.decode([end.end])}"']
    lines += [
        f'SYSTEM """{instruction}"""',
        f"PARAMETER temperature {temperature}",
        "PARAMETER repeat_penalty 1",  # Ollama's own default isn't what the student was judged under
        f"PARAMETER num_predict {max_tokens}",
    ]
    return "\n".join(lines) + "\n"


def of_file(text: str, gguf: str) -> str:
    """A Modelfile's text with another file of the same export in it."""
    return re.sub(r"^FROM .*$", lambda _: f"FROM ./{gguf}", text, count=1, flags=re.MULTILINE)


def template(tokenizer: Any, adds_bos: bool) -> str:
    """The chat template in Go's language, for an instruction or none, and turns that end with a person's message.

    Raises:
        ValueError: pieces around turns don't make this template.
    """
    found = turns(tokenizer)
    if found is None:
        raise ValueError("the chat template isn't made of pieces around turns")
    added = tokenizer.bos_token or "" if adds_bos else ""
    opens, uninstructed = found.before_system.removeprefix(added), found.uninstructed.removeprefix(added)
    return (
        f"{{{{ if .System }}}}{opens}{{{{ .System }}}}{found.after_system}{{{{ else }}}}{uninstructed}{{{{ end }}}}"
        f"{{{{ range .Messages }}}}"
        f'{{{{ if eq .Role "user" }}}}{found.before_user}{{{{ .Content }}}}{found.after_user}'
        f'{{{{ else if eq .Role "assistant" }}}}{{{{ .Content }}}}{found.after_reply}{{{{ end }}}}{{{{ end }}}}'
    )
