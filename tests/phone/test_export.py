"""A whole tiny run, exported: what is written agrees with itself in every program that reads it, or isn't written."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from go_template import render

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import export, gguf_file, parity
from empathic.run import Run
from empathic.run.artefacts import Export
from empathic.student import prompt
from empathic.student.load import load_student

SAID = ["My dog died on Sunday.", "We won the cup!! 🏆", "نسيت عيد ميلادها", 'He said "no"\nand left.']
TOLD = prompt.instruction("brief")


@pytest.fixture
def copied(whole: Any, tmp_path: Path) -> Path:
    """A copy of the whole run, to spoil."""
    shutil.copytree(whole.run, tmp_path / "run")
    return tmp_path / "run"


def test_everything_that_ships_is_there_and_nothing_else(exported: Path) -> None:
    names = {path.name for path in (exported / "export").iterdir()}
    rows = Run.open(exported).export()
    assert rows is not None
    files_of_rows = {row.file for row in rows.rows}
    assert len(files_of_rows) == 4, "q8_0 and f16 take no importance matrix"
    others = {"merged", "README.md", "Modelfile", "export.json", "imatrix.gguf", "dpo-lora-f16.gguf"}
    assert names == files_of_rows | others
    assert not [path for path in exported.iterdir() if path.name.startswith(".export-")]


def _talks() -> list[list[dict[str, str]]]:
    """Conversations of one turn and of three, with the instruction, another and none."""
    one = [[{"role": "user", "content": said}] for said in SAID]
    replied = {"role": "assistant", "content": "Sunday, and the house so still."}
    three = [[*first, replied, *second] for first, second in itertools.pairwise(one)]
    told = [[{"role": "system", "content": text}] if text else [] for text in (TOLD, "Be brief.", "")]
    return [[*system, *turns] for system in told for turns in (*one, *three)]


def _in_ollama(template: str, talk: list[dict[str, str]]) -> tuple[str, str, list[dict[str, str]]]:
    """What Ollama renders: a template, given the instruction and all messages, the instruction's among them."""
    return template, talk[0]["content"] if talk[0]["role"] == "system" else "", talk


def _modelfile(folder: Path) -> tuple[str, str]:
    """Its template and its instruction."""
    text = (folder / "Modelfile").read_text(encoding="utf-8")
    found = [re.search(rf'{key} """(.*?)"""', text, re.DOTALL) for key in ("TEMPLATE", "SYSTEM")]
    assert found[0] and found[1]
    return found[0][1], found[1][1]


def test_llama_cpp_transformers_and_ollama_make_the_same_prompt(exported: Path) -> None:
    from transformers import AutoTokenizer

    folder = exported / "export"
    name = Run.open(exported).export().rows[0].file  # type: ignore[union-attr]
    theirs = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    _, merged = load_student(str(folder / "merged"))
    template, system = _modelfile(folder)
    with open_endpoint(f"local:{folder / str(name)}") as endpoint, parity.served(endpoint) as file:
        for asked in _talks():
            want = parity.prompt_tokens(merged, asked)
            assert file.prompt(asked) == want
            assert parity.prompt_tokens(theirs, asked) == want
            assert file.tokens(render(*_in_ollama(template, asked))) == want
    assert system == TOLD
    assert "PARAMETER repeat_penalty 1\n" in (folder / "Modelfile").read_text(encoding="utf-8")


@pytest.mark.slow  # it compiles a program
def test_the_modelfiles_template_says_in_go_what_our_renderer_of_it_says(exported: Path) -> None:
    if not (go := shutil.which("go")):
        pytest.skip("Go isn't here; Debian's golang-go has it")
    template, _ = _modelfile(exported / "export")
    rendered = [_in_ollama(template, talk) for talk in _talks()]
    told = [{"template": template, "system": system, "messages": turns} for template, system, turns in rendered]
    program = Path(__file__).with_name("ollama.go")
    done = subprocess.run([go, "run", program], input=json.dumps(told), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [render(*one) for one in rendered]


def test_a_file_says_what_it_is_and_where_it_comes_from(exported: Path) -> None:
    found = Run.open(exported).export()
    assert found is not None
    keys = gguf_file.read(exported / "export" / str(found.rows[0].file)).keys
    assert keys["general.name"] == "small dpo"
    assert keys["general.source.url"].startswith("empathic:run/small/dpo#")
    assert "no person" in keys["general.description"]
    assert keys["tokenizer.ggml.eot_token_id"] == keys["tokenizer.ggml.eos_token_id"]
    lora = gguf_file.read(exported / "export" / "dpo-lora-f16.gguf").keys
    assert (lora["general.type"], lora["adapter.type"]) == ("adapter", "lora")


def test_rows_tell_what_llama_cpp_finds(exported: Path) -> None:
    found = Run.open(exported).export()
    assert found is not None
    _, eight, four, with_matrix = found.rows
    assert eight.prompts and four.prompts
    assert 0 <= eight.kl_mean < four.kl_mean < four.kl_999
    assert eight.top1 > four.top1
    assert four.kl_mean != with_matrix.kl_mean
    assert eight.perplexity == pytest.approx(found.perplexity, rel=0.05)
    assert found.dialogues == {"read": 4, "followed": 4}
    assert "4 SFT examples" in (found.imatrix or "")


def test_the_card_has_hugging_faces_head_and_tells_figures(exported: Path) -> None:
    text = (exported / "export" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["pipeline_tag"] == "text-generation"
    assert "license" not in head, "nobody knows the tiny model's"
    for part in (
        "## Intended use",
        "## Limits",
        "teacher: recorded replies: kind",
        "judges: tiny",
        "dpo over base",
        "0 rows left out",
    ):
        assert part in text


def test_the_report_shows_the_files_until_the_student_is_trained_anew(
    exported: Path, empathic: Callable[..., Any]
) -> None:
    assert empathic("report", exported).returncode == 0
    html = (exported / "report.html").read_text(encoding="utf-8")
    assert "Which file ships?" in html
    assert (exported / "tables" / "export.csv").exists()
    (exported / "student" / "dpo" / "more.txt").write_text("trained anew", encoding="utf-8")
    assert Run.open(exported).export() is None
    (exported / "student" / "dpo" / "more.txt").unlink()


def test_another_export_takes_the_first_ones_place(
    exported: Path, tmp_path: Path, empathic: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(exported, run)
    (run / "export" / "mine.txt").write_text("kept", encoding="utf-8")
    done = empathic("export", run, "--system", "base", "--quant", "f16")
    assert done.returncode == 0, done.stderr
    printed = " ".join(done.stdout.split())
    assert "* f16" in printed and "no replies of these files were read" in printed
    names = {path.name for path in (run / "export").iterdir()}
    assert "base-f16.gguf" in names and "mine.txt" in names
    assert not [name for name in names if name.startswith("dpo") and "lora" not in name]
    assert Run.open(run).export().recommended == "base-f16.gguf"  # type: ignore[union-attr]


@pytest.mark.long
def test_files_below_their_bar_are_refused(copied: Path) -> None:
    with pytest.raises(UserError, match="every file is below its bar; the nearest is q4_0"):
        _export(copied, None, ["q4_0"], False)
    _nothing_written(copied)
    found = _export(copied, None, ["f16", "q4_0"], False)
    assert [row.file for row in found.rows] == ["dpo-f16.gguf", None, None]
    assert len(list((copied / "export").glob("dpo-*.gguf"))) == 2, "f16 and the adapter"


@pytest.mark.long
def test_a_run_whose_corpus_is_empty_has_no_importance_matrix(copied: Path) -> None:
    Run.open(copied).corpus("sft").write_text("", encoding="utf-8")
    assert _export(copied, None, ["q4_0"], True).imatrix is None


def test_mistakes_are_told_in_one_line_before_anything_is_written(copied: Path, refused: Callable[..., str]) -> None:
    assert "want base, sft, dpo" in refused("export", copied, "--system", "dqo")
    assert "no such quant here; want f16, q8_0" in refused("export", copied, "--quant", "q3_k")
    shutil.rmtree(copied / "student" / "dpo")
    assert "isn't trained yet" in refused("export", copied)
    _nothing_written(copied)


def test_a_full_disk_is_noticed_before_anything_is_written(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda where: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="and 1 MB are free; make room"):
        _export(copied, None, None, False)
    _nothing_written(copied)


def test_a_model_that_the_converter_does_not_know_is_refused_in_its_words(
    copied: Path, tiny: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, OPTConfig, OPTForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    OPTForCausalLM(
        OPTConfig(vocab_size=len(tokenizer), hidden_size=32, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(tmp_path / "opt")
    tokenizer.save_pretrained(tmp_path / "opt")
    _student(copied, str(tmp_path / "opt"))
    line = r"can't write (the student|\S+/opt) as GGUF \(Model OPTForCausalLM is not supported\); choose another"
    with pytest.raises(UserError, match=line):
        _export(copied, "base", ["q8_0"], False)
    _nothing_written(copied)


def test_torn_weights_are_refused_in_one_line(
    copied: Path, tiny: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    adapter = copied / "student" / "dpo" / "adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:100])
    assert "dpo/adapter_model.safetensors is cut short or damaged" in refused("export", copied)
    shutil.copytree(tiny, tmp_path / "base")
    weights = tmp_path / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    _student(copied, str(tmp_path / "base"))
    assert "base/model.safetensors is cut short or damaged" in refused("export", copied)
    shutil.rmtree(tmp_path / "base")
    assert f"{tmp_path / 'base'}: no such folder; put it there" in refused("export", copied)
    _nothing_written(copied)


def test_a_torn_base_is_refused_in_one_line(
    copied: Path, tiny_gguf: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    data = tiny_gguf.read_bytes()
    (tmp_path / "torn.gguf").write_bytes(data[: len(data) // 2])
    _student(copied, str(tmp_path / "torn.gguf"))
    assert "torn.gguf" in refused("export", copied, "--system", "base")
    _nothing_written(copied)


def _export(run: Path, system: str | None, quants: list[str] | None, force: bool) -> Export:
    opened = Run.open(run)
    return export.export(opened, run / "export", system, quants, force, opened.display)


def _student(run: Path, model: str) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["student"]["model"] = model
    files.write_text(run / "recipe.yaml", yaml.safe_dump(recipe))


def _nothing_written(run: Path) -> None:
    assert not (run / "export").exists() and not (run / "export.json").exists()
    assert not [path for path in run.iterdir() if path.name.startswith(".export-")]
