"""A recipe's matrix: every cell a run of its own under one directory, with one ledger for all.

So the teacher's direct replies are paid for once for all strategies that improve them, and a base model that cells have
in common replies and is judged once.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from pydantic import ValidationError

from empathic import files
from empathic.errors import UserError
from empathic.pipeline.checks import check_files
from empathic.pipeline.runner import run_pipeline
from empathic.recipe import Recipe, keys
from empathic.run import Display, Row, Run


def cells(recipe: Recipe) -> dict[str, Recipe]:
    """Every combination of the matrix's values, by a name made of them; *direct* has no strategy to vary.

    A recipe without a matrix is its own only cell, without a name.

    Raises:
        UserError: a key that a recipe doesn't have, a value that it doesn't take, or two cells of one name.
    """
    if not recipe.matrix:
        return {"": recipe}
    found: dict[str, Recipe] = {}
    for values in itertools.product(*recipe.matrix.values()):
        chosen = dict(zip(recipe.matrix, values, strict=True))
        if chosen.get("method.name", recipe.method.name) == "direct":
            chosen.pop("strategy", None)
        name = ".".join(str(value).rstrip("/").rsplit("/", 1)[-1] for value in chosen.values())
        raw = recipe.model_dump(exclude={"matrix"})
        for key, value in chosen.items():
            keys.place(raw, key, value, "matrix", Recipe)
        try:
            cell = Recipe.model_validate({**raw, "name": f"{recipe.name}.{name}"})
        except ValidationError as error:
            raise UserError(f"matrix: {keys.first_fault(error, Recipe)}") from error
        if found.setdefault(name, cell) != cell:
            raise UserError(f"matrix: two cells would both be called {name!r}; give their values different last parts")
    return found


def run_matrix(
    recipe: Recipe, folder: Path, display: Display, until: str | None = None, redo: bool = False, processes: int = 1
) -> list[Row]:
    """Run every cell, those that are finished kept, and write `matrix.jsonl`; a recipe without a matrix simply runs.

    Args:
        recipe: what to do.
        folder: the run directory, or that of the cells' own.
        display: told how far the runs are.
        until: the last stage to do.
        redo: as for a run.
        processes: as for a run.

    Returns:
        A row a cell: its name and, once it is judged, the win rates of its last step over the untuned student, the
        controls that its judges `failed`, and the judges that are of `one_family` with a teacher.

    Raises:
        UserError: as `cells` and `run_pipeline` do.
    """
    if not recipe.matrix:
        run_pipeline(recipe, folder, display, until, redo, processes)
        return []
    every = cells(recipe)
    for cell in every.values():
        check_files(cell)
    rows: list[Row] = []
    for number, (name, cell) in enumerate(every.items(), 1):
        display.note(f"cell {number} of {len(every)}: {name}")
        ledger = cell.ledger or str(folder.resolve() / "ledger.sqlite")
        run_pipeline(cell.model_copy(update={"ledger": ledger}), folder / name, display, until, redo, processes)
        rows.append({"cell": name, **_judged(folder / name)})
    files.write_jsonl(folder / "matrix.jsonl", rows)
    return rows


def _judged(folder: Path) -> Row:
    run = Run.open(folder)
    if not run.summary_file.exists():
        return {"win_rates": [], "failed": {}, "one_family": []}
    found = run.summary()
    return {
        "win_rates": [row.model_dump() for row in found.headline_rates()],
        "failed": found.failed_controls(),
        "one_family": found.one_family,
    }
