"""Cut SmolLM2's tokenizer down to the tokens that our own texts need most: `python tests/data/cut_tokenizer.py`.

A tokenizer of our own training would not do: llama.cpp's converter knows tokenizers by what they make of one text, and
refuses others. So the tokens of that text are kept, with the ids that they have in SmolLM2's vocabulary.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from empathic.phone import convertible
from empathic.student.load import load_student

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "empathic" / "data"
MOST = 2500  # tokens of our texts, the most frequent ones


def main() -> None:
    _, tokenizer = load_student("smollm2-135m")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        parts = {path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir()}
    whole: dict[str, Any] = json.loads(parts["tokenizer.json"])
    model = whole["model"]
    ours = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DATA.glob("*.jsonl")))
    known_by = convertible.known_by()
    assert known_by, "the converter has no chktxt any more"
    counts = Counter(tokenizer(ours, add_special_tokens=False)["input_ids"])
    wanted = {id for id, _ in counts.most_common(MOST)} | set(tokenizer(known_by)["input_ids"])
    wanted |= set(tokenizer.convert_tokens_to_ids(["Yes", "No", "A", "B", "0", "1", "2"]))
    by_id = {id: token for token, id in model["vocab"].items()}
    keep = {by_id[id] for id in wanted} | {token for token in model["vocab"] if len(token) == 1}
    keep |= {added["content"] for added in whole["added_tokens"]} & model["vocab"].keys()
    made = {"".join(merge): merge for merge in reversed(model["merges"])}
    waiting = list(keep)
    while waiting:  # a token is made of two others
        token = waiting.pop()
        more = set(made.get(token, ())) - keep
        keep |= more
        waiting += more
    model["vocab"] = {token: id for token, id in model["vocab"].items() if token in keep}
    model["merges"] = [merge for merge in model["merges"] if {*merge, "".join(merge)} <= keep]
    out = HERE / "tokenizer"
    out.mkdir(exist_ok=True)
    for name, text in parts.items():
        (out / name).write_text(text, encoding="utf-8")
    (out / "tokenizer.json").write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main()
