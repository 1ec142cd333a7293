"""The commands about judges: `empathic judge …`, and the options that others share with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

judges = typer.Typer(help="Judges, and how well they judge.", no_args_is_help=True, rich_markup_mode=None)
Endpoint = Annotated[str, typer.Option("--judge", help="Its endpoint: local:NAME, or a server's base URL.")]
Model = Annotated[str | None, typer.Option(help="The judge's model, where the server has several.")]
KeyEnv = Annotated[str | None, typer.Option(help="The environment variable that holds the judge's key.")]
Kept = Annotated[Path | None, typer.Option("--ledger", help="Where answers are kept; default: the user's cache.")]
Pairwise = Annotated[bool, typer.Option("--pairwise", help="Also ask which reply is better, in both orders.")]
AskLevels = Annotated[bool, typer.Option("--levels", help="Also ask for EPITOME's levels of three behaviours.")]
Questions = Annotated[str | None, typer.Option(help="A file of other questions about one reply.")]
Labels = Literal["epitome", "rated"]
Levels = Annotated[Path | None, typer.Option("--scorer", help="An EPITOME scorer's folder, as judge train makes it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@judges.command("controls")
def judge_controls(
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    questions: Questions = None,
    pairwise: Pairwise = False,
    ledger: Kept = None,
    scorer: Levels = None,
    dialogues: Annotated[int | None, typer.Option(help="On how many dialogues; default: all.")] = None,
    half: Annotated[int | None, typer.Option(min=1, max=2, help="1 to choose by, 2 to report on.")] = None,
    emotions: Annotated[bool, typer.Option(help="Tell the judge what the writer feels.")] = True,
    each: Annotated[bool, typer.Option("--each", help="Also what each question tells alone.")] = False,
    json: Json = False,
) -> None:
    """Show what a judge can tell apart: a good reply from ones that are worse in one way each."""
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge.measures.epitome import Scorer
    from empathic.judge.trials import perturbations
    from empathic.recipe import Judge

    with Progress(quiet=json) as display:
        asked = Judge(endpoint=judge, model=model, key_env=key_env, questions=questions, pairwise=pairwise)
        levels = Scorer(scorer) if scorer else None
        progress = display.counting("judge")
        scores = perturbations.trial(asked, ledger, dialogues, progress, half=half, levels=levels, emotions=emotions)
    found = perturbations.results(scores, each)
    if json:
        print_json(found)
    else:
        tables.trials(found, perturbations.FAULTS, perturbations.WANTED)


@judges.command("lost")
def judge_lost(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    json: Json = False,
) -> None:
    """Measure what training cost: perplexity on plain text, and whether the student agrees with what is false."""
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge import regressions
    from empathic.run import Run

    run = Run.open(folder)
    with Progress(quiet=json) as display:
        found = regressions.measure(run, regressions.truths(), display.counting("judge"))
    print_json(found) if json else tables.lost(found)


@judges.command("train")
def judge_train(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")] = Path("runs/epitome"),
    model: Annotated[str, typer.Option(help="The small model that learns to score.")] = "smollm2-135m",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the labelled replies.")] = 3,
    n: Annotated[int | None, typer.Option("--n", min=1, help="On how many replies; default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order, the adapter and the heads.")] = 0,
    json: Json = False,
) -> None:
    """Train a scorer of EPITOME's levels that needs no endpoint, and measure it against people on the held-out part."""
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge.measures import epitome
    from empathic.judge.trials import human_agreement, human_labels

    learnt, held = human_labels.epitome(human_labels.folder())
    with Progress(quiet=json) as display:
        epitome.train(learnt[:n], out, model, epochs, seed, display.counting("train"))
        found = human_agreement.of_scorer(held[:n], epitome.Scorer(out), display.counting("judge"))
    levels = {name: of.to_row() for name, of in found.items()}
    print_json(levels) if json else tables.levels(levels)


@judges.command("agreement")
def judge_agreement(
    what: Annotated[Labels, typer.Argument(help="epitome: levels of three behaviours; rated: which of two replies.")],
    judge: Endpoint = "local:qwen2.5-coder-1.5b",
    model: Model = None,
    key_env: KeyEnv = None,
    questions: Questions = None,
    ledger: Kept = None,
    n: Annotated[int | None, typer.Option("--n", min=2, help="On how many replies or pairs; default: all.")] = None,
    scorer: Levels = None,
    json: Json = False,
) -> None:
    """Measure a judge against what people said of the same replies (EPITOME's held-out part, or the rated 2,000).

    With --scorer it is the scorer that EPITOME's part is about, and no judge is asked.
    """
    from empathic.cli import tables
    from empathic.cli.progress import Progress
    from empathic.judge.measures.epitome import Scorer
    from empathic.judge.trials import human_agreement, human_labels
    from empathic.recipe import Judge

    asked = Judge(endpoint=judge, model=model, key_env=key_env, questions=questions, pairwise=what == "rated")
    if what == "rated":
        pairs = human_labels.rated(0)[:n]
        with Progress(quiet=json) as display:
            preferred = human_agreement.of_preferences(pairs, asked, ledger, display.counting("judge")).to_row()
        print_json(preferred) if json else tables.preferences(preferred)
        return
    replies = human_labels.epitome(human_labels.folder())[1][:n]
    with Progress(quiet=json) as display:
        if scorer:
            found = human_agreement.of_scorer(replies, Scorer(scorer), display.counting("judge"))
        else:
            found = human_agreement.of_levels(replies, asked, ledger, display.counting("judge"))
    levels = {name: of.to_row() for name, of in found.items()}
    print_json(levels) if json else tables.levels(levels)


def print_json(value: object) -> None:
    """Print what programs read."""
    import json

    print(json.dumps(value, indent=2))
