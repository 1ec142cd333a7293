"""A teacher that is asked by files: what its stage would ask now is written, and what a host answered is put in place.

The files are OpenAI's batch files, which most hosts and `vllm run-batch` take. Nothing is kept of an export: an import
asks the same questions of the ledger and of the results, so files may be written again, and answered in any order.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from empathic import files
from empathic.endpoints import batch_lines, pricing
from empathic.endpoints.batch_api import BatchClient
from empathic.endpoints.batch_import import ImportClient, Results
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import local_name, open_endpoint
from empathic.endpoints.pricing import Budget
from empathic.errors import UserError
from empathic.pipeline.fitting import check_lengths
from empathic.pipeline.runner import run_pipeline
from empathic.recipe import load_recipe
from empathic.run import Display, Row, Run, has_manifest
from empathic.teacher import batch

Progress = Callable[[int, int], None]


@dataclass
class Exported:
    """What was written.

    Attributes:
        files: in their order.
        questions: in all of them.
        waiting: dialogues whose next question follows from an answer.
        most: US dollars that the answers cost at most, at a batch's prices; 0 where no price is known.
    """

    files: list[Path] = field(default_factory=list)
    questions: int = 0
    waiting: int = 0
    most: float = 0.0


@dataclass
class Imported:
    """What came of the lines of results, and what is left.

    Attributes:
        answers: lines that were new and hold one.
        same: lines whose question was answered so before.
        other: ids that were answered twice and otherwise; the first answer is kept.
        strange: ids that the recipe doesn't ask.
        useless: why lines are asked again, errors and answers that a check refused.
        aside: dialogues that are given up: `id, aside`.
        open: questions that are to be asked now.
        waiting: dialogues that lack an answer.
        model: what servers call the model that answered, where that is another name than the recipe's.
    """

    answers: int = 0
    same: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    useless: list[str] = field(default_factory=list)
    aside: list[Row] = field(default_factory=list)
    open: int = 0
    waiting: int = 0
    model: str = ""


def prepare(where: str, display: Display) -> Run:
    """The run of a recipe, or the one that lies in a folder, its dialogues read.

    Raises:
        UserError: neither; as `run_pipeline` does; a matrix; a teacher that can't be asked by files.
    """
    known = has_manifest(Path(where))
    recipe = Run.open(Path(where)).recipe if known else load_recipe(where)
    folder = Path(where) if known else Path("runs") / recipe.name
    if recipe.matrix:
        raise UserError(
            f"{where}: has a matrix; `empathic run {where} --until dialogues` makes a run of every cell, "
            f"such as {folder}/NAME: give that"
        )
    teacher = recipe.teacher
    if not teacher.endpoint or local_name(teacher.endpoint) is not None:
        raise UserError(f"{where}: teacher.endpoint is no server's address, so a batch file has nobody to answer it")
    if not teacher.model:
        raise UserError(f"{where}: teacher.model is missing; every line of a batch file names the model")
    run_pipeline(recipe, folder, display, until="dialogues")
    run = Run.open(folder)
    run.display = display
    return run


def export_batch(run: Run, out: Path, progress: Progress) -> Exported:
    """Write what the teacher's stage would ask now as one file, or as several where that is too much for one.

    Args:
        run: one that `prepare` made.
        out: the file; the parts of several are out-1, out-2 and so on.
        progress: told how many of how many dialogues are looked at.

    Raises:
        UserError: nothing is left to ask; the budget could be passed; the file can't be written.
    """
    check_lengths(run)
    done = Exported()
    with run.ledger() as ledger, _endpoint(run) as endpoint:
        _check_secret(run, endpoint)
        budget = Budget(_prices(run), run.recipe.teacher.budget, ledger.spent(endpoint.identity))
        client = BatchClient(endpoint, ledger, budget)
        done.files = _write(out, _lines(run, client, done, progress))
        if not done.files and client.given_up and not done.waiting:
            ledger.reset_attempts(client.given_up)  # nothing else is left, so they are asked anew, as by a next run
            done.files = _write(out, _lines(run, client, done, progress))
        done.most = budget.reserved
    if done.waiting and not done.files:
        raise UserError(f"{run.folder}: batches that were handed over hold all that is left; `empathic run` fetches it")
    if not done.files:
        raise UserError(f"{run.folder}: nothing is left to ask, every question is answered; `empathic run` goes on")
    return done


def import_batch(run: Run, results: list[Path], progress: Progress) -> Imported:
    """Put the answers that a host gave into the ledger: all that files hold, or nothing.

    Those that a strategy refuses are asked again, as a live teacher is; where that was in vain too often, the dialogue
    is put aside, and the run's `aside.jsonl` says why.

    Args:
        run: one that `prepare` made.
        results: files of results or of errors.
        progress: told how many of how many dialogues are looked at.

    Raises:
        UserError: as `Results.read` does; no line is about a question of the recipe.
    """
    done = Imported()
    with run.ledger() as ledger, _endpoint(run) as endpoint:
        found = Results.read(results, endpoint.key)
        with ledger.transaction():
            client = _imported(run, endpoint, ledger, found, done, progress)
    done.answers = sum(found.lines[id].answer is not None for id in client.taken - client.useless.keys())
    done.useless = [why for id, why in client.useless.items() if id in client.taken]
    done.model = ", ".join(sorted(found.models)) if _is_other(found.models, endpoint.model) else ""
    if done.aside:
        files.write_jsonl(run.path("aside.jsonl"), done.aside)
    else:
        run.path("aside.jsonl").unlink(missing_ok=True)
    return done


def _imported(
    run: Run, endpoint: Endpoint, ledger: Ledger, found: Results, done: Imported, progress: Progress
) -> ImportClient:
    """Take what a recipe asks for from results, and count what is left."""
    client = ImportClient(endpoint, ledger, Budget(_prices(run)), found, _prices(run, batch=False))
    dialogues, step = run.each_dialogue("train"), _counter(run, progress)

    def told(rows: list[Row] | None) -> None:
        step()
        done.waiting += rows is None
        done.aside += [row for row in rows or () if "aside" in row]

    done.open = sum(1 for _ in batch.questions(dialogues, run.recipe, client, told))
    done.same, done.other, done.strange = client.left()
    done.other += sorted(found.others)
    if len(done.strange) == len(found.lines):
        named = f" They are answers of {', '.join(sorted(found.models))}." if found.models else ""
        raise UserError(
            f"none of the {len(done.strange)} results is of a question that {run.recipe.name} asks of "
            f"{endpoint.identity}: another model or endpoint, other settings, or other dialogues; "
            f"nothing is imported.{named}"
        )
    return client


def _lines(run: Run, client: BatchClient, done: Exported, progress: Progress) -> Iterator[bytes]:
    step = _counter(run, progress)

    def told(rows: list[Row] | None) -> None:
        step()
        done.waiting += rows is None

    for id, asked in batch.questions(run.each_dialogue("train"), run.recipe, client, told):
        done.questions += 1
        yield batch_lines.request_line(id, asked)


def _write(out: Path, lines: Iterator[bytes]) -> list[Path]:
    """The files that lines were written into, all of them or none."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
            written: list[Path] = []
            for number, part in enumerate(batch_lines.parts(lines), 1):
                written.append(Path(folder) / str(number))
                with written[-1].open("wb") as file:
                    file.writelines(part)
            alone = len(written) == 1
            places = [out if alone else out.with_stem(f"{out.stem}-{path.name}") for path in written]
            if places:
                _check_places(out, places)
            for path, place in zip(written, places, strict=True):
                path.replace(place)
    except OSError as error:
        raise UserError(f"{out}: can't be written ({error.strerror or error}); give another --out") from error
    return places


def _check_places(out: Path, places: list[Path]) -> None:
    """Refuse to write over what holds no questions, and to leave an earlier export's parts beside a new one's.

    Raises:
        UserError: says which file is in the way.
    """
    if other := [path for path in places if path.exists() and not _holds_questions(path)]:
        raise UserError(f"{other[0]}: is there and holds no questions; give another --out")
    named = re.compile(rf"{re.escape(out.stem)}(-\d+)?{re.escape(out.suffix)}")
    there = [path for path in out.parent.iterdir() if named.fullmatch(path.name) and path.is_file()]
    if stale := sorted(path.name for path in there if path not in places and _holds_questions(path)):
        raise UserError(
            f"{out.parent}: {', '.join(stale)} of an earlier export would stand beside this one's, and be asked and "
            "paid for twice; move them away, or give another --out"
        )


def _holds_questions(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(400)
    return not begins or (begins.startswith(b'{"custom_id": ') and b'"body": ' in begins)


def _endpoint(run: Run) -> AbstractContextManager[Endpoint]:
    """The teacher's, which isn't reached; its key is wanted only so that it can be kept out of what is shown."""
    asked = run.recipe.teacher
    key_env = asked.key_env if asked.key_env and os.environ.get(asked.key_env) else None
    note, more = run.display.note, asked.extra_body
    return open_endpoint(str(asked.endpoint), asked.model, key_env, log=note, extra_body=more)


def _check_secret(run: Run, endpoint: Endpoint) -> None:
    """Refuse a key that would stand in every line of a file that goes to others."""
    if endpoint.key != "none" and endpoint.key in str(endpoint.extra_body):
        raise UserError(
            f"teacher.extra_body holds the key that {run.recipe.teacher.key_env} has, and would be in the file; "
            "take it out"
        )


def _prices(run: Run, batch: bool = True) -> pricing.Prices | None:
    return pricing.prices(run.recipe.teacher.model, run.recipe.teacher.prices, batch)


def _counter(run: Run, progress: Progress) -> Callable[[], None]:
    total, done = run.manifest.stages["dialogues"].facts["train"], 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    return step


def _is_other(models: set[str], asked: str) -> bool:
    """Whether any name is neither the asked one nor a dated one of it; a host's folder before it doesn't count."""
    wanted = re.escape(asked.rsplit("/", 1)[-1].lower())
    return not all(re.fullmatch(rf"(.*/)?{wanted}([-@:]\d[\d-]*)?", name.lower()) for name in models)
