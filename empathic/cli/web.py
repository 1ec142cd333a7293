"""The command `empathic web`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from empathic.cli.guarding import Country, Own, checked_country


def web(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run directory.")] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="Which of its systems. Default: the last step's.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="A .gguf file: another one of the run's student; without a run, told nothing."),
    ] = None,
    country: Country = None,
    safety: Own = None,
    out: Annotated[Path | None, typer.Option("--out", help="The folder; default: web in the run.")] = None,
) -> None:
    """Write a student as a site that answers in a phone's browser, with the network off after the first visit.

    Any web server can serve the folder: static files alone, over https or on localhost. What is written there is sent
    nowhere. llama.cpp for browsers (wllama) is fetched from npm's registry once.
    """
    from empathic.cli.progress import Progress, console
    from empathic.errors import UserError
    from empathic.safety import settings
    from empathic.web import site
    from empathic.web.student import student

    own = settings.read(safety) if safety else None
    checked_country(country, own)
    chosen = student(run, system, model)
    folder = out or (run / "web" if run else None)
    if folder is None:
        raise UserError("--out: name the folder that the site goes to")
    with Progress() as display:
        step = display.counting("student")
        site.build(chosen, folder, country, own, display.note, lambda done, size: step(done // 10**6, size // 10**6))
    megabytes = chosen.path.stat().st_size / 1e6
    for line in (
        f"the site   {folder} ({chosen.path.name}, {megabytes:.0f} MB)",
        f"try it     python -m http.server --bind 127.0.0.1 --directory {folder}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
