"""Whether this machine, and an endpoint or all that a recipe names, can be used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from empathic.doctor.finding import Finding

_MARKS = {"ok": "✓", "mind": "!", "fails": "✗"}


def doctor(
    what: Annotated[
        str | None,
        typer.Argument(metavar="ENDPOINT|RECIPE", help="local:NAME, a server's base URL, or a recipe; default: none."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model, where the server has several.")] = None,
    key_env: Annotated[str | None, typer.Option(help="The environment variable that holds the key.")] = None,
) -> None:
    """Check this machine, and whether an endpoint, or what a recipe names, can be teacher and judge; says how to mend.

    An endpoint is asked 12 to 16 short questions, which cost a few cents at most; nothing is kept. Exit code 2
    where something fails.
    """
    from empathic.doctor import machine, target
    from empathic.errors import UserError
    from empathic.judge import recipe_models
    from empathic.recipe import load_recipe

    recipe = load_recipe(what) if what and not target.is_address(what) else None
    if (recipe or not what) and (model or key_env):
        raise UserError("doctor: --model and --key-env go with an endpoint's address; a recipe names its own")
    failed = _shown(machine.examine(recipe_models.models_of(recipe) if recipe else ()))
    asked = target.targets(recipe) if recipe else [target.Target(what, model, key_env)] if what else []
    if recipe:
        failed += _shown(target.weights(recipe))
    for one in asked:
        print(f"\n{one}, as {' and '.join(one.roles)}")
        failed += _shown(target.examine(one, lambda said: print(f"  {said}", flush=True)))
    if failed:
        raise typer.Exit(2)


def _shown(findings: Iterable[Finding]) -> int:
    """Print findings as they come; how many fail."""
    failed = 0
    for found in findings:
        print(f"{_MARKS[found.mark]} {found.check:<18} {found}", flush=True)
        failed += found.mark == "fails"
    return failed
