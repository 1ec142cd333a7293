"""An export's merged weights as a folder for transformers.js, each graph held against them as GGUF files are."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from empathic import files
from empathic.errors import UserError
from empathic.phone import divergence, ladder, onnx_graph, place
from empathic.run import Display, Run, staged
from empathic.student import prompt

NAME = "transformers.js"  # of the folder in an export
_FOLLOWED, _LONGEST = 16, 48  # test dialogues, and tokens of a reply
_BITS = {"fp32": "f16", "q8": "q8_0", "q4": "q4_0"}  # whose bar holds
_BEST = ("q8", "q4", "fp32")  # what is loaded where nobody says


@dataclass(frozen=True)
class Written:
    """A graph: its type, file, bytes, distance from the merged weights, and whether it meets its bar."""

    dtype: str
    file: str
    bytes: int
    found: divergence.Divergence
    holds: bool


def write(run: Run, folder: Path, force: bool, display: Display) -> list[Written]:
    """Write `transformers.js/` into an export: one graph for each type, with tokenizer and configuration.

    Args:
        run: the run.
        folder: the export's.
        force: also write graphs that are below their bars.
        display: told how far it is.

    Raises:
        UserError: the extra `onnx` isn't there, the export has no merged weights, the builder doesn't take the model,
            no graph meets its bar, or no room. Nothing is written then.
    """
    check_packages()
    merged = folder / "merged"
    config = files.read_json(merged / "config.json")
    size = sum(path.stat().st_size for path in merged.glob("*.safetensors"))
    with place.workplace(folder) as work:
        files.check_room(folder, 4 * size, "the folder for transformers.js")
        out = work / NAME
        (out / "onnx").mkdir(parents=True)
        against = _reference(run, merged, work, display)
        rows, beside = [], {}
        for name, dtype in onnx_graph.DTYPES.items():
            with staged(display, name):
                chunks = onnx_graph.build(merged, out / "onnx", dtype, config)
                row = _held(out / "onnx", name, dtype.file, against)
            if not (row.holds or force):
                display.note(f"{name}: refused, below its bar; --force writes it")
                for part in (out / "onnx").glob(f"{dtype.file}*"):
                    part.unlink()
                continue
            rows.append(row)
            beside[dtype.file] = chunks
        if not rows:
            raise UserError("every graph for transformers.js is below its bar; --force writes them all the same")
        _write_words(merged, out, config, [row.dtype for row in rows], beside)
        place.put(out, folder / NAME, work / "earlier")
    return rows


def check_packages() -> None:
    """Refuse where the extra `onnx` isn't there.

    Raises:
        UserError: that.
    """
    if not all(importlib.util.find_spec(name) for name in ("onnx_ir", "onnxruntime", "onnxruntime_genai")):
        raise UserError("--to transformers.js: takes packages more; pip install 'empathic[onnx]'")


def _reference(run: Run, merged: Path, work: Path, display: Display) -> divergence.Reference:
    """The merged model along its own replies to test dialogues."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tests = [one.utterance for one in run.dialogues("test")]
    followed = divergence.spread(tests, _FOLLOWED)
    model: Any = AutoModelForCausalLM.from_pretrained(merged, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(merged)
    told = prompt.instruction(run.student.prompt)
    logps = work / "logps"
    logps.mkdir()
    with staged(display, "reference"):
        return divergence.reference(model, tokenizer, told, followed, logps, _LONGEST, display.step)


def _held(folder: Path, dtype: str, file: str, against: divergence.Reference) -> Written:
    """A graph beside the merged model."""
    found = divergence.measure(folder / file, against, Graph)
    bar = ladder.bar(_BITS[dtype])
    size = sum(path.stat().st_size for path in folder.glob(f"{file}*"))
    return Written(dtype, file, size, found, found.kl_mean <= bar.kl and found.top1 >= bar.top1)


def _write_words(
    merged: Path, out: Path, config: dict[str, Any], dtypes: Sequence[str], beside: dict[str, int]
) -> None:
    """What stands beside the graphs, as transformers.js reads it.

    It reads no `chat_template.jinja`, and tidies blanks up where a tokenizer doesn't say that it mustn't.
    """
    default = next(one for one in _BEST if one in dtypes)
    config["transformers.js_config"] = {"dtype": default, "use_external_data_format": beside}
    told = files.read_json(merged / "tokenizer_config.json") | {"clean_up_tokenization_spaces": False}
    if (template := merged / "chat_template.jinja").exists():
        told["chat_template"] = template.read_text(encoding="utf-8")
    files.write_json(out / "config.json", config)
    files.write_json(out / "tokenizer_config.json", told)
    for name in ("generation_config.json", "tokenizer.json", "README.md"):
        if (merged / name).exists():
            shutil.copyfile(merged / name, out / name)


class Graph:
    """An ONNX graph in onnxruntime, to be asked for its logits as `phone.logits.Logits` is."""

    def __init__(self, path: Path, longest: int) -> None:
        """Load a graph; `longest` is no matter to it."""
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self.vocabulary: int = self.session.get_outputs()[0].shape[-1]

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del self.session

    def along(self, tokens: Sequence[int], first: int = 0) -> Any:
        """The logits after each token from the place `first` on: float32, a row a token, a column a word."""
        import numpy

        ids = numpy.array([tokens], dtype=numpy.int64)
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}
        for one in self.session.get_inputs():
            if one.name == "position_ids":
                given[one.name] = numpy.arange(len(tokens), dtype=numpy.int64)[None]
            elif one.name.startswith("past_key_values"):
                given[one.name] = numpy.zeros((1, one.shape[1], 0, one.shape[3]), dtype=numpy.float32)
        return self.session.run(["logits"], given)[0][0, first:]
