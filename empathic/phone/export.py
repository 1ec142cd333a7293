"""`empathic export`: everything that ships of a run's student, each file held against the merged model first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empathic import files
from empathic.endpoints.open import open_endpoint
from empathic.errors import UserError
from empathic.phone import card, convert, divergence, gguf_file, imatrix, ladder, modelfile, parity, place, quantize
from empathic.phone.recommend import recommend
from empathic.phone.turns import end_of_turn
from empathic.recipe.steps import EXAMPLES
from empathic.run import Display, Row, Run, staged
from empathic.run.artefacts import Export, ExportRow
from empathic.student import load, prompt

FOLLOWED = 32  # test dialogues along which distributions are compared
_SPOKEN = 8  # of these, how many greedy replies llama.cpp writes itself
_LONGEST = 48  # tokens of a reply that are followed


@dataclass(frozen=True)
class _Student:
    """What is exported: the merged model, and where its parts are while the export is made."""

    run: Run
    system: str
    model: Any
    tokenizer: Any
    work: Path

    @property
    def told(self) -> str:
        return prompt.instruction(self.run.student.prompt)

    @property
    def source(self) -> Path:
        """The GGUF file in f32 that all others are made from."""
        return self.work / "source.gguf"


def export(
    run: Run,
    folder: Path,
    system: str | None,
    quants: Sequence[str] | None,
    force: bool,
    display: Display,
) -> Export:
    """Write what ships of a student into a folder, and `export.json` into the run.

    Args:
        run: the run.
        folder: where it goes: a new or empty folder, or an earlier export's.
        system: whose files; None is the student after the last step.
        quants: names in `ladder.QUANTS`; None is all.
        force: also write files that are below their bars.
        display: told how far it is.

    Raises:
        UserError: a student that isn't trained, an unknown system or quant, a model that the converter refuses, no
            room on disk, or no file that may be written. Nothing is written then.
    """
    system, names = system or run.recipe.final, ladder.chosen(quants)
    adapter = _adapter(run, system)
    with place.workplace(folder) as work:
        ready = work / "ready"
        with staged(display, "merge"):
            settings = run.student
            student = _Student(run, system, *load.merged(settings.model, settings.template, adapter), work)
            vocabulary = student.model.get_input_embeddings().num_embeddings
            place.check_room(folder, student.model.num_parameters(), names, 4 * FOLLOWED * _LONGEST * vocabulary)
            _convert(student, adapter, ready)
        found = _write_ladder(student, names, ready, force, display)
        found.folder = os.path.relpath(folder, run.folder)
        _write_words(student, found, ready)
        place.move(ready, folder)
    files.write_json(run.export_file, found.model_dump(mode="json"))
    return found


def _convert(student: _Student, adapter: Path | None, ready: Path) -> None:
    """The merged weights for transformers, all of them in one GGUF file, and the adapter as another."""
    merged = ready / "merged"
    load.save(student.model, student.tokenizer, student.run.recipe.student.model, merged)
    files.write_text(merged / "README.md", card.front_matter(student.run))
    name = student.run.recipe.student.model
    convert.convert(merged, student.source, "f32", card.keys(student.run, student.system), of=name)
    if adapter:
        convert.convert_adapter(adapter, merged, ready / f"{student.system}-lora-f16.gguf")


def _adapter(run: Run, system: str) -> Path | None:
    """A system's adapter; None for the untuned student."""
    if system not in run.systems:
        raise UserError(f"--system {system}: the run has no such system; want {', '.join(run.systems)}")
    if system == run.systems[0]:
        return None
    adapter = run.adapter(system)
    if not (adapter / "adapter_config.json").exists():
        raise UserError(f"{run.folder}: the student {system!r} isn't trained yet; go on with `empathic run` first")
    return adapter


def _write_ladder(student: _Student, names: Sequence[str], ready: Path, force: bool, display: Display) -> Export:
    """Every file that may be written, and what was found of each."""
    run, tests = student.run, [d.utterance for d in student.run.dialogues("test")]
    if not tests:
        raise UserError(f"{run.folder}: no test dialogues to hold the files against; split them anew")
    followed = divergence.spread(tests, FOLLOWED)
    logps = student.work / "logps"
    logps.mkdir()
    with staged(display, "reference"):
        against = divergence.reference(
            student.model, student.tokenizer, student.told, followed, logps, _LONGEST, display.step
        )
    matrix, corpus = _matrix(student, names, ready, display)
    variants = [(name, with_matrix) for name in names for with_matrix in (False, True)]
    variants = [one for one in variants if not one[1] or (matrix and ladder.QUANTS[one[0]].heeds)]
    source, rows = quantize.Source(student.source), []
    for name, with_matrix in variants:
        made = student.work / "made.gguf"
        label = f"{name}{' imatrix' if with_matrix else ''}"
        with staged(display, label):
            means = matrix.means if matrix and with_matrix else None
            said = _said(student, corpus if means else None)
            quantize.quantize(source, made, name, means, said, display.step)
            rows.append(_held(student, made, name, with_matrix, against, tests, force))
        if (file := rows[-1].file) is not None:
            made.rename(ready / file)
        else:
            made.unlink()
            display.note(f"{label}: refused, below its bar; --force writes it")
    if not any(row.file for row in rows):
        raise UserError(_all_refused(rows))
    best, rule = recommend(rows)
    return Export(
        system=student.system,
        adapter=run.adapter_hash(student.system),
        perplexity=against.perplexity,
        dialogues={"read": len(tests), "followed": len(followed)},
        imatrix=corpus,
        rows=rows,
        recommended=best.file if best else None,
        rule=rule,
    )


def _said(student: _Student, corpus: str | None) -> dict[str, str | int]:
    """Metadata beyond what the converter writes."""
    found: dict[str, str | int] = {"tokenizer.ggml.eot_token_id": end_of_turn(student.tokenizer)}
    return found | ({"quantize.imatrix.dataset": corpus} if corpus else {})


def _matrix(
    student: _Student, names: Sequence[str], ready: Path, display: Display
) -> tuple[imatrix.ImportanceMatrix | None, str | None]:
    """The importance matrix and what it was made from, where a quant heeds one and the run has a corpus."""
    path = student.run.corpus(EXAMPLES)
    if not path.exists() or not any(ladder.QUANTS[name].heeds for name in names):
        return None, None
    rows = list(files.read_jsonl(path))
    if not rows:
        return None, None
    rows = divergence.spread(rows, imatrix.EXAMPLES)
    architecture = str(gguf_file.read(student.source).keys["general.architecture"])
    with staged(display, "imatrix"):
        texts = [_text(student, row) for row in rows]
        found = imatrix.measure(student.model, texts, architecture, display.step)
    corpus = f"{len(rows)} SFT examples of the run {student.run.manifest.name}, {found.tokens} tokens"
    found.write(ready / "imatrix.gguf", corpus)
    return found, corpus


def _text(student: _Student, row: Row) -> list[int]:
    """An example's tokens: instruction, prompt and reply in the chat template."""
    told = prompt.with_system_prompt(row, student.told)
    shown = student.tokenizer.apply_chat_template([*told["prompt"], *told["completion"]], tokenize=False)
    return list(student.tokenizer(shown, add_special_tokens=False)["input_ids"])


def _held(
    student: _Student,
    made: Path,
    name: str,
    with_matrix: bool,
    against: divergence.Reference,
    tests: Sequence[str],
    force: bool,
) -> ExportRow:
    """A file's row: what it is made of, and how far it is from the merged model."""
    contents = gguf_file.read(made)
    found = divergence.measure(made, against)
    with open_endpoint(f"local:{made}") as endpoint, parity.served(endpoint) as file:
        prompts = parity.same_prompts(file, student.tokenizer, student.told, tests)
        spoken = against.followed[:_SPOKEN]
        identical = sum(
            file.greedy(one.tokens[: one.reply], len(one.tokens) - one.reply) == one.tokens[one.reply :]
            for one in spoken
        )
    bar = ladder.bar(ladder.became(name, contents.shares))
    holds = prompts and found.kl_mean <= bar.kl and found.top1 >= bar.top1
    label = f"{student.system}-{ladder.honest_name(name, contents.shares)}{'-imatrix' if with_matrix else ''}.gguf"
    return ExportRow(
        file=label if holds or force else None,
        quant=name,
        imatrix=with_matrix,
        bytes=made.stat().st_size,
        bits_per_weight=contents.bits_per_weight,
        types=contents.shares,
        fell_back=ladder.fell_back(name, contents.shares),
        prompts=prompts,
        kl_mean=found.kl_mean,
        kl_999=found.kl_999,
        top1=found.top1,
        perplexity=found.perplexity,
        identical=identical / len(spoken),
        positions=found.positions,
        holds=holds,
    )


def _all_refused(rows: Sequence[ExportRow]) -> str:
    if not rows[0].prompts:
        return (
            "no file reads prompts as the merged model does; check student.template (--force writes them all the same)"
        )
    best = min(rows, key=lambda row: row.kl_mean)
    return (
        f"every file is below its bar; the nearest is {best.quant} with a mean KL of {best.kl_mean:.3f} and "
        f"{best.top1:.0%} top-1; name more quants with --quant, or write them all the same with --force"
    )


def _write_words(student: _Student, found: Export, ready: Path) -> None:
    """The model card, Ollama's Modelfile and `export.json`."""
    settings = student.run.student
    adds_bos = bool(gguf_file.read(ready / found.named).keys.get("tokenizer.ggml.add_bos_token"))
    text = modelfile.modelfile(
        found.named, student.tokenizer, student.told, settings.temperature, settings.max_tokens, adds_bos
    )
    files.write_text(ready / "Modelfile", text)
    files.write_text(ready / "README.md", card.card(student.run, found))
    files.write_json(ready / "export.json", found.model_dump(mode="json"))
