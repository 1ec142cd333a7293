"""The model card of an export, in Hugging Face's format, and what the GGUF files say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from empathic import files, models
from empathic.phone import cells
from empathic.run import Run
from empathic.run.artefacts import Export, ExportRow, Summary

_DATA = {
    "everyday": "CC BY 4.0",
    "everyday-dense": "CC BY 4.0",
    "welivita": "CC BY-NC 4.0",
    "empathetic-dialogues": "CC BY-NC 4.0",
}
_READ = " sendable | points |"
_READ_HOW = (
    "Sendable: replies that a reader would send as they stand, with the 95% interval. Points: the difference to f16's "
    "replies to the same messages, paired."
)
_UNKNOWN = "not known to empathic; ask its owner"


def keys(run: Run, system: str) -> dict[str, str]:
    """The `general.*` metadata that every file carries: its name, what it is, and where it comes from."""
    return {
        "general.name": name(run, system),
        "general.description": (
            f"{_base(run)} after empathic's run {run.manifest.name!r}, {run.recipe.label(system)}. "
            "Software that answers in a few kind words; no person, no therapist, not made for crises."
        ),
        "general.source.url": f"empathic:run/{run.manifest.name}/{system}#{files.sha256(run.recipe_file)[:16]}",
    }


def name(run: Run, system: str) -> str:
    """What the model is called."""
    return f"{run.manifest.name} {system}"


def front_matter(run: Run) -> str:
    """The card's YAML; the converter reads licence and base from it, too."""
    base, licence = _base(run), _licence(run)
    about: dict[str, Any] = {"license": licence} if licence else {}
    if "/" in base and not Path(base).exists():
        about["base_model"] = base
    about |= {"pipeline_tag": "text-generation", "tags": ["empathy", "empathic", "gguf", "on-device"]}
    return f"---\n{yaml.safe_dump(about, sort_keys=False)}---\n"


def card(run: Run, found: Export) -> str:
    """The text of `README.md`."""
    student = run.student
    parts = [
        front_matter(run),
        f"# {name(run, found.system)}\n",
        f"{_base(run)}, {run.recipe.label(found.system)}, made with empathic {run.manifest.empathic} "
        f"(recipe {files.sha256(run.recipe_file)[:16]}). It answers what a person says in a few kind words.\n",
        "## Intended use\n",
        "Research, and software that is tried out by people who know what it is. It is no person, no friend and no "
        "therapist, and it is not made for crises. Don't put it in front of people who may be in "
        "distress without a safety gate, which these files don't hold.\n",
        "## Limits\n",
        "A model of this size misunderstands: it swaps who did what, takes a word for another, and makes things up. "
        "It learnt from single messages and their replies, so that longer talks are outside what was measured; so "
        "are languages other than the data's.\n",
        "## How it was made\n",
        *(f"- {line}" for line in _made(run)),
        "",
        "## How good it is\n",
        *_measured(run, found),
        "## Files\n",
        *_table(found.rows, found.recommended),
        "",
        f"`{found.recommended or 'none'}` is recommended: {found.rule}. KL (nats a token), top-1 and perplexity are of "
        f"llama.cpp's file against the merged weights in float32, forced along {found.dialogues['followed']} greedy "
        f"replies to test dialogues ({found.rows[0].positions if found.rows else 0} tokens); perplexity is on what "
        f"people wrote there (merged weights: {found.perplexity:.1f}). Template and tokens were compared on "
        f"{found.dialogues['read']} test dialogues. Files marked `imatrix` were quantised with an importance matrix "
        f"from {found.imatrix or 'nothing'}.\n",
        "`merged/` holds the weights for transformers; the `-lora` file is the adapter alone, for llama.cpp's "
        "`--lora` with the base's file; `Modelfile` is for `ollama create`.\n",
        "The instruction that it was trained with:\n",
        *(f"> {line}" for line in _instruction(student.prompt).splitlines()),
        "",
    ]
    return "\n".join(parts)


def _instruction(named: str) -> str:
    from empathic.student import prompt

    return prompt.instruction(named)


def _base(run: Run) -> str:
    """The base model, by its id on the hub where that is known."""
    model = run.recipe.student.model
    return models.KNOWN[model].base if model in models.KNOWN else Path(model).name if Path(model).exists() else model


def _licence(run: Run) -> str | None:
    """The base's licence as the hub spells it; None where nothing says it."""
    model = run.recipe.student.model
    if model in models.KNOWN:
        return models.KNOWN[model].licence
    if models.is_file(model):
        from empathic.phone import gguf_file

        return gguf_file.read(Path(model)).keys.get("general.license")
    path = Path(model) / "README.md"
    if not path.exists():
        return None
    head = path.read_text(encoding="utf-8").split("---")
    about = yaml.safe_load(head[1]) if len(head) > 2 else None
    return about.get("license") if isinstance(about, dict) else None


def _made(run: Run) -> list[str]:
    recipe = run.recipe
    source = recipe.dialogues.source
    teacher = recipe.teacher.model or recipe.teacher.endpoint
    return [
        f"base: {_base(run)}, licence: {_licence(run) or _UNKNOWN}",
        f"dialogues: {Path(source).name}, licence: {_DATA.get(source, _UNKNOWN)}",
        f"teacher: {teacher or 'recorded replies: ' + ', '.join(recipe.method.teachers)}, method {recipe.method.name}",
        f"steps: {', '.join(f'{step.name} (LoRA, {step.epochs} epochs)' for step in recipe.steps)}",
        *_left_out(run),
        f"judges: {', '.join(judge.name for judge in recipe.judge)}",
        f"seed: {recipe.seed}",
    ]


def _left_out(run: Run) -> list[str]:
    """What the corpus's safety filter did, where the run says."""
    stage = run.manifest.stages.get("corpus")
    if stage is None or "left_out" not in stage.facts:
        return []
    if (left_out := stage.facts["left_out"]) is None:
        return ["safety filter: off; replies that claim a person's life or feelings were learnt too"]
    why = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
    return [
        f"safety filter: {sum(left_out.values())} rows left out{f' ({why})' if why else ''}; messages that the gate "
        "takes for a crisis, and replies to learn that claim to be human, to feel or to have a life, or do harm. A "
        "pair's rejected reply may be any"
    ]


def _measured(run: Run, exported: Export) -> list[str]:
    """Win rates and sendable replies, where the run has them."""
    system = exported.system
    if not run.summary_file.exists():
        return ["The run wasn't judged.\n"]
    figures: Summary = run.summary()
    lines = [
        f"| {row.a} over {row.b} | {row.measure} | {row.estimate:.0%} ({row.low:.0%} to {row.high:.0%}) | {row.n} |"
        for row in figures.win_rates
        if row.a == system
    ]
    found = ["Of the judged student, in the run's first quant, with 95% intervals:\n"]
    if lines:
        found += ["| pair | by | win rate | n |", "|---|---|---|---|", *lines, ""]
    read = [row for row in (figures.readings or {}).get("rates", []) if row["system"] == system]
    for row in read:
        share = f"{row['estimate']:.0%} ({row['low']:.0%} to {row['high']:.0%}, n = {row['n']})"
        found.append(f"Replies that a reader would send as they stand: {share}.\n")
    if any(row.sendable for row in exported.rows):
        found.append("Replies of the exported files themselves were read, blind: see their table.\n")
    elif not read:
        found.append("No person or reader graded its replies; judges are models, and easily won over.\n")
    return found


def _table(rows: Sequence[ExportRow], recommended: str | None) -> list[str]:
    read = any(row.sendable for row in rows)
    lines = [
        f"| file | MB | bits a weight | fell back | mean KL | 99.9% KL | top-1 | perplexity |{_READ if read else ''} |",
        f"|---|---|---|---|---|---|---|---|{'---|---|' if read else ''}---|",
    ]
    for row in rows:
        if row.file:
            note = "recommended" if row.file == recommended else "" if row.holds else "below its bar"
            columns = [
                row.file,
                *cells.measured(row),
                f"{row.perplexity:.2f}",
                *(_sendable(row) if read else ()),
                note,
            ]
            lines.append(f"| {' | '.join(columns)} |")
    if read:
        lines += ["", _READ_HOW]
    return lines


def _sendable(row: ExportRow) -> tuple[str, str]:
    """What readers said: the columns `_READ`."""
    if not row.sendable:
        return "", ""
    return f"{cells.share(row.sendable)}, n = {row.sendable.n}", cells.points(row.sendable)
