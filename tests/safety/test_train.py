"""Training on a handful of texts: the same bytes twice, and lines that the labels bear out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from empathic.cli.main import app
from empathic.errors import UserError
from empathic.safety import features, model, net, spec, train
from empathic.safety.gate import Gate
from empathic.safety.net import Seen
from empathic.safety.patterns import Hits
from empathic.safety.texts import Text, read

DATA = Path(__file__).parents[2] / "empathic" / "data" / "safety"


def test_numbers_are_packed_and_unpacked() -> None:
    numbers = [0, 1, 127, 128, 300, 5_000_000]
    assert list(model.unpacked(model.packed(numbers))) == numbers


def test_rows_in_four_and_eight_bits_are_near_what_they_were() -> None:
    rows = np.random.default_rng(0).normal(size=(9, 5))
    rows[4] = 0.0
    four, eight = model.stored_in_four_bits(rows), model.stored_in_eight_bits(rows)
    most = np.abs(rows).max(axis=1, keepdims=True)
    top = np.abs(rows).max()
    assert (np.abs(model._four_bits(four, 5) - rows) <= (most + top / 255) / 14 + 1e-9).all()
    assert (np.abs(model._eight_bits(eight, 9) - rows) <= most / 254 + 1e-9).all()


def test_the_same_texts_give_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "KEPT", 300)
    labelled = read(DATA / "train-1.jsonl")[::9]
    quiet = [Text((f"what is a good recipe for number {number}?", "thank you")) for number in range(40)]
    made = [spec.dump(train.build(labelled, quiet[:20], quiet[20:], [], lambda _: None)) for _ in range(2)]
    assert made[0] == made[1]
    gate = Gate(spec.parse(made[0]))
    assert gate.check([{"role": "user", "content": "i want to kill myself"}]).label == "crisis"


def test_what_is_learnt_is_what_ships() -> None:
    """The same net in torch and in few bits: texts of unlike lengths, with words that have no vector."""
    import torch

    texts = [Seen(words.split(), Hits((3,), None), (0,)) for words in ("i am here", "so", "a b c d e f g h unheard of")]
    known = sorted({features.numbers(word)[0] for word in ("i", "am", "here", "so", "a", "b", "c", "of")})
    torch.manual_seed(0)
    made = net._net(len(known), 5)
    torch.nn.init.normal_(made["hits"].weight)
    for run in model.RUNS:  # where padding would answer more than words do
        torch.nn.init.constant_(made[str(run)].bias, 2.0)
        torch.nn.init.uniform_(made[str(run)].weight, -0.9, 0.0)
    torch.nn.init.uniform_(made["pieces"].weight, 0.1, 0.5)
    numbers = net._numbers(texts, {number: row for row, number in enumerate(known, 1)}, 5)
    theirs = net._logits(made, numbers, learning=False).tolist()
    stored = model.Model(net._stored(made, known))
    for text, logits in zip(texts, theirs, strict=True):
        assert stored.logits(text.words, text.hits.numbers) == pytest.approx(logits, abs=0.05)


def test_no_held_out_message_was_learnt_or_had_a_line_drawn_on_it() -> None:
    def plain(text: Text) -> str:
        return " ".join(re.sub("[^a-z0-9 ]", "", text.turns[0].lower()).split())

    held = {plain(text) for path in (DATA.parents[2] / "benchmarks" / "safety").glob("test*") for text in read(path)}
    learnt = {plain(text) for path in [*DATA.glob("train-*"), DATA / "quiet.jsonl"] for text in read(path)}
    assert not [text for text in held & learnt if text.count(" ") > 2]


def test_nothing_to_draw_lines_on_is_told() -> None:
    with pytest.raises(UserError, match="harmless"):
        train.build([Text(("help",), "crisis", "suicide")], [], [], [], lambda _: None)


def test_eval_counts_by_kind_and_tells_the_turn(tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    rows = [
        {"text": "I want to die", "label": "crisis", "kind": "suicide"},
        {"turns": ["hi", "nice day", "i want to die"], "label": "crisis", "kind": "script", "turn": 2},
        {"text": "what time is it", "label": "ordinary", "kind": "everyday"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["safety", "eval", str(path), "--json"])
    found = json.loads(done.stdout)
    counts = {(row["label"], row["kind"]): row["counts"][0] for row in found["rows"]}
    assert counts[("crisis", "suicide")] == 1 and counts[("crisis", "script")] == 0 and counts[("ordinary", "all")] == 0
    assert found["delays"] == [1]


def test_a_table_without_messages_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,words\n1,hello\n", encoding="utf-8")
    with pytest.raises(UserError, match="no message"):
        read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("prompt,label\nhello,strange\n", encoding="utf-8")
    with pytest.raises(UserError, match="label 'strange'"):
        read(tmp_path / "b.csv")
