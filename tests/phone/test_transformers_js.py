"""The folder for transformers.js: graphs say what the merged weights say, and the rest is as it reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.phone import divergence, place, transformers_js
from empathic.run import Run


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Run:
    """A copy of the whole run with its export, to write into."""
    shutil.copytree(exported, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.mark.long  # its packages are an extra, and the builder takes its time
def test_graphs_say_what_the_merged_weights_say(copied: Run) -> None:
    pytest.importorskip("onnxruntime_genai")
    folder = copied.path("export")
    rows = {row.dtype: row for row in transformers_js.write(copied, folder, True, copied.display)}
    assert [*rows] == ["fp32", "q8", "q4"]
    assert rows["fp32"].found.top1 == 1.0 and rows["fp32"].found.kl_mean < 1e-6 and rows["fp32"].holds
    assert rows["fp32"].found.kl_mean < rows["q8"].found.kl_mean < rows["q4"].found.kl_mean
    assert rows["fp32"].bytes > 2 * rows["q8"].bytes, "tied embeddings are there once"
    out = folder / "transformers.js"
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    graphs = {"onnx/model.onnx", "onnx/model_quantized.onnx", "onnx/model_q4.onnx"}
    assert names == graphs | {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} | {
        "README.md"
    }
    config = json.loads((out / "config.json").read_text())
    beside = {"model.onnx": 0, "model_quantized.onnx": 0, "model_q4.onnx": 0}
    assert config["transformers.js_config"] == {"dtype": "q8", "use_external_data_format": beside}
    told = json.loads((out / "tokenizer_config.json").read_text())
    assert "<|im_start|>" in told["chat_template"] and told["clean_up_tokenization_spaces"] is False
    assert not [path for path in folder.iterdir() if path.name.startswith(".export-")]
    transformers_js.write(copied, folder, True, copied.display)  # again, in its place
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == names


def test_without_its_packages_nothing_is_done(copied: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_js.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'empathic\[onnx\]'"):
        transformers_js.write(copied, copied.path("export"), False, copied.display)
    assert not (copied.path("export") / "transformers.js").exists()


def test_graphs_below_their_bars_are_not_written(copied: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(merged: Path, out: Path, dtype: object, config: object) -> int:
        (out / dtype.file).write_bytes(b"graph")  # type: ignore[attr-defined]
        return 0

    far = divergence.Divergence(kl_mean=0.5, kl_999=2.0, top1=0.5, perplexity=9.0, positions=100)
    near = divergence.Divergence(kl_mean=0.0, kl_999=0.0, top1=1.0, perplexity=9.0, positions=100)
    found = {"model.onnx": far, "model_quantized.onnx": far, "model_q4.onnx": far}
    monkeypatch.setattr(transformers_js, "check_packages", lambda: None)
    monkeypatch.setattr(transformers_js.onnx_graph, "build", build)
    monkeypatch.setattr(transformers_js.divergence, "measure", lambda path, against, opened: found[path.name])
    folder = copied.path("export")
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(UserError, match="every graph"):
        transformers_js.write(copied, folder, False, copied.display)
    assert {path.name for path in folder.iterdir()} == before
    found["model_q4.onnx"] = near
    assert [row.dtype for row in transformers_js.write(copied, folder, False, copied.display)] == ["q4"]
    out = folder / "transformers.js"
    assert [path.name for path in (out / "onnx").iterdir()] == ["model_q4.onnx"]
    assert files.read_json(out / "config.json")["transformers.js_config"]["dtype"] == "q4"


def test_a_new_export_takes_the_folder_of_the_one_before_away(copied: Run) -> None:
    folder = copied.path("export")
    (folder / "transformers.js").mkdir()
    with place.workplace(folder) as work:
        shutil.copytree(folder, work / "ready", ignore=shutil.ignore_patterns(".export-*", "transformers.js"))
        place.move(work / "ready", folder)
    assert not (folder / "transformers.js").exists() and (folder / "export.json").exists()


def test_what_was_made_of_an_export_comes_back_where_a_new_one_fails(
    copied: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied.path("export")
    (folder / "transformers.js").mkdir()
    (folder / "transformers.js" / "config.json").write_text("{}")

    def fails(part: Path, where: Path, aside: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, "_replace", fails)
    with pytest.raises(KeyboardInterrupt), place.workplace(folder) as work:
        shutil.copytree(folder, work / "ready", ignore=shutil.ignore_patterns(".export-*", "transformers.js"))
        place.move(work / "ready", folder)
    assert (folder / "transformers.js" / "config.json").exists()


def test_another_engine_is_refused(refused, copied: Run) -> None:
    assert "want transformers.js" in refused("export", copied.folder, "--to", "coreml")
