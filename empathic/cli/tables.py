"""Results in the terminal: tables, and the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.markup import escape
from rich.table import Table

from empathic import files
from empathic.cli.progress import console
from empathic.endpoints.ledger import short
from empathic.judge import family
from empathic.judge.measures.hollowness import COLUMNS, Hollowness
from empathic.run import Run


def bill(rows: list[dict[str, Any]]) -> None:
    """A table of a ledger's bill."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model")
    table.add_column("asked for", no_wrap=True, min_width=18)
    for column in ("answers", "no use", "tokens in", "out", "USD"):
        table.add_column(column, justify="right")
    counted = ("answers", "wasted", "prompt_tokens", "completion_tokens")
    total = {key: sum(row[key] for row in rows) for key in (*counted, "cost")}
    for row in [*rows, {"model": "", "purpose": "in all", **total}]:
        table.add_row(short(row["model"]), row["purpose"], *(f"{row[key]:,}" for key in counted), f"{row['cost']:.4f}")
    console.print(table)


def rates(
    rows: list[dict[str, Any]],
    failed: Mapping[str, list[str]] | None = None,
    one_family: Sequence[dict[str, str]] = (),
    level: Sequence[dict[str, Any]] = (),
) -> None:
    """A table of win rates, at equal lengths too where those are given; judges that failed a control are marked."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    lengths = ["at equal lengths"] if level else []
    for column in ("", "judged by", "win rate", "95% interval", *lengths, "ties", "n"):
        table.add_column(column, justify="left" if column in ("", "judged by") else "right")
    controlled = {(row["a"], row["b"], row["measure"]): _at_equal_lengths(row) for row in level}
    for row in rows:
        mark = " *" if (failed or {}).get(row["measure"]) else ""
        table.add_row(
            f"{row['a']} over {row['b']}",
            row["measure"] + mark,
            f"{row['estimate']:.0%}",
            f"{row['low']:.0%} to {row['high']:.0%}",
            *(controlled.get((row["a"], row["b"], row["measure"]), "") for _ in lengths),
            str(row["ties"]),
            str(row["n"]),
        )
    console.print(table)
    for doubt in doubts(failed or {}, one_family):
        console.print(f"[dim]{escape(doubt)}[/dim]", highlight=False)


def doubts(failed: Mapping[str, list[str]], one_family: Sequence[dict[str, str]]) -> list[str]:
    """What to mind in win rates: controls that judges failed, and judges of a teacher's family."""
    found = [f"* {judge} failed the control: {', '.join(names)}" for judge, names in failed.items() if names]
    return found + [f"mind that {warning}" for warning in family.warnings(one_family)]


def _at_equal_lengths(row: dict[str, Any]) -> str:
    if row.get("extrapolated") or row["estimate"] is None:
        return "beyond the lengths seen"
    return f"{row['estimate']:.0%} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def hollow(rows: Sequence[Hollowness]) -> None:
    """A table of how formulaic systems' replies are."""
    if not rows:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(row.system, justify="right")
    for key, text in COLUMNS.items():
        shown = "{:.0f}" if key == "words" else "{:.0%}"
        table.add_row(text, *(shown.format(getattr(row, key)) for row in rows))
    console.print()
    console.print(table)


def trials(found: dict[str, dict[str, Any]], faults: dict[str, str], wanted: dict[str, float]) -> None:
    """A table of how often each measure prefers the good reply to one that ..., and which marks it misses."""
    rates = {fault: found[fault] for fault in faults}
    measures = list(dict.fromkeys(measure for of in rates.values() for measure in of))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("a good reply over one that")
    for measure in measures:
        table.add_column(measure, justify="right")
    for fault, of in rates.items():
        table.add_row(faults[fault], *(_rate(of[measure]) if measure in of else "" for measure in measures))
    means = [fmean(of[measure]["estimate"] for of in rates.values() if measure in of) for measure in measures]
    table.add_row("[bold]on average", *(f"[bold]{mean:.0%}" for mean in means))
    console.print(table)
    n = max(row["n"] for of in rates.values() for row in of.values())
    console.print(f"[dim]{n} dialogues; in brackets the 95% interval; 50% is a coin[/dim]", highlight=False)
    for measure in measures:
        seen = {fault: rates[fault][measure]["estimate"] for fault in wanted if measure in rates[fault]}
        missed = [f"{faults[fault]} (want {wanted[fault]:.0%})" for fault in seen if seen[fault] < wanted[fault]]
        verdict = f"misses what is wanted of a judge: {', '.join(missed)}" if missed else "does all that is wanted"
        console.print(f"[dim]{measure} {verdict}[/dim]", highlight=False)
    if "over_pairwise" in found:
        _over_pairwise(found["over_pairwise"])


def preferences(found: dict[str, Any]) -> None:
    """How often each way of asking is of people's mind, and by how much behaviours are more often."""
    rates(found["rates"])
    _over_pairwise(found["over_pairwise"])


def _over_pairwise(more: dict[str, Any]) -> None:
    console.print(f"[dim]behaviours over pairwise: {_change(more)}, p = {more['p']:.3f}[/dim]", highlight=False)


def levels(found: dict[str, dict[str, Any]]) -> None:
    """A table of how far a judge's levels are people's, behaviour by behaviour."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("behaviour", "kappa", "95% interval", "order", "accuracy", "F1", "n", "mute"):
        table.add_column(column, justify="left" if column == "behaviour" else "right")
    for name, row in found.items():
        figures = (
            f"{row['kappa']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            "" if row["order"] is None else f"{row['order']:.2f}",
            f"{row['accuracy']:.3f}",
            f"{row['f1']:.3f}",
        )
        table.add_row(name.replace("_", " "), *figures, str(row["n"]), str(row["unanswered"]))
    console.print(table)


def lost(rows: list[dict[str, Any]]) -> None:
    """A table of what training cost each student."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "perplexity", "said", "agrees", "since before"):
        table.add_column(column, justify="right" if column in ("perplexity", "agrees", "since before") else "left")
    for row in rows:
        for number, (mood, rate) in enumerate(row["affirms"].items()):
            named = ("", "") if number else (row["system"], f"{row['perplexity']:.1f}")
            table.add_row(*named, mood, _rate(rate), _change(row["change"][mood]) if row["change"] else "")
    console.print(table)
    n = rows[0]["affirms"]["sad"]["n"]
    console.print(f"[dim]{n} falsehoods; 'agrees': finds the reply that goes along with it likelier[/dim]")


def _change(row: dict[str, Any]) -> str:
    return f"{100 * row['estimate']:+.0f} points ({100 * row['low']:+.0f} to {100 * row['high']:+.0f})"


def voting(address: str, count: int, folder: Path) -> None:
    """Where to vote, and what to do afterwards."""
    console.print(f"{count} pairs to vote on at {address}", highlight=False, soft_wrap=True)
    console.print(f"Ctrl-C stops; then: empathic report {folder}", highlight=False, soft_wrap=True)


def power(rows: list[tuple[int, float, float]]) -> None:
    """A table of dialogues, the smallest win rate and the smallest difference that they show."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("dialogues", "smallest win rate over 50%", "smallest difference of two students"):
        table.add_column(column, justify="right")
    for n, rate, difference in rows:
        table.add_row(f"{n:,}", f"{rate:.1%}", f"{100 * difference:.1f} points")
    console.print(table)


def print_summary(folder: Path) -> None:
    """The end of a run: three dialogues before and after, the win rate, and where the page and the file are."""
    run = Run.open(folder)
    if not run.summary_file.exists() or not run.page_file.exists():
        console.print(f"\nSo far in {folder}", highlight=False)
        return
    summary, recipe, last = run.summary(), run.recipe, run.recipe.final
    before = {row["id"]: row for row in files.read_jsonl(run.replies(run.systems[0]))}
    after = [row for row in files.read_jsonl(run.replies(last)) if row["id"] in before]
    table = Table(show_lines=True, title="before and after", title_justify="left", title_style="bold")
    for column in ("a person says", "before", "after"):
        table.add_column(column, ratio=1)
    for row in after[:: max(1, len(after) // 3)][:3]:
        table.add_row(*(_short(text) for text in (row["utterance"], before[row["id"]]["reply"], row["reply"])))
    console.print()
    console.print(table)
    console.print()
    for of in summary.sendable:
        console.print(
            f"{recipe.label(of.system)}: a reader would send {of.estimate:.0%} of its replies "
            f"({100 * of.low:.0f} to {100 * of.high:.0f}, n = {of.n}), by a scorer that learnt from readers",
            highlight=False,
        )
    rates([row.model_dump() for row in summary.headline_rates()], summary.failed_controls(), summary.one_family)
    console.print(f"\nthe page   {run.page_file}", highlight=False, soft_wrap=True)
    for path in (run.gguf(last, quant) for quant in run.recipe.phone.quants):
        console.print(f"the file   {path} ({path.stat().st_size / 1e6:.0f} MB)", highlight=False, soft_wrap=True)


def matrix(rows: list[dict[str, Any]], folder: Path) -> None:
    """A table of a matrix: what each cell's last step wins over the base, and what to mind in it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("cell")
    measures = sorted({rate["measure"] for row in rows for rate in row["win_rates"]})
    for measure in measures:
        table.add_column(measure, justify="right")
    for row in rows:
        rates = {rate["measure"]: rate for rate in row["win_rates"]}
        marks = {measure: " *" if row["failed"].get(measure) else "" for measure in measures}
        table.add_row(row["cell"], *(_rate(rates[m]) + marks[m] if m in rates else "" for m in measures))
    console.print()
    console.print(table)
    found: dict[str, list[str]] = {}
    for row in rows:
        for doubt in doubts(row["failed"], row["one_family"]):
            found.setdefault(doubt, []).append(row["cell"])
    for doubt, cells in found.items():
        where = "" if len(cells) == len(rows) else f" ({', '.join(cells)})"
        console.print(f"[dim]{escape(doubt + where)}[/dim]", highlight=False)
    console.print(f"\nthe runs   {folder}", highlight=False, soft_wrap=True)


def _rate(row: dict[str, Any]) -> str:
    return f"{row['estimate']:.0%} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def _short(text: str, most: int = 320) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 2].rsplit(" ", 1)[0] + " …"


def plan(lines: list[tuple[str, str]], until: str | None, cell: str = "") -> None:
    """What a run, or a matrix's cell, would do, stage by stage."""
    if cell:
        console.print(f"[bold]{cell}[/bold]", highlight=False)
    for stage, what in lines:
        console.print(f"  {stage:<10} {what}", highlight=False)
        if stage == until:
            break


def models() -> None:
    """The known models, and which of them are here."""
    from empathic import models as known

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "what", "size", "here"):
        table.add_column(column)
    for name, model in known.KNOWN.items():
        table.add_row(name, model.about, f"{model.megabytes} MB", "yes" if known.cached(name).exists() else "no")
    for name, hub in known.HUB.items():
        table.add_row(name, hub.about)
    console.print(table)
    console.print(f"[dim]kept in {known.cache()}; any .gguf file, folder or Hugging Face id works too[/dim]")


def recipes() -> None:
    """The ready recipes, each with its first line."""
    from empathic.recipe import ready

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("name")
    table.add_column("what")
    for name, path in ready().items():
        table.add_row(name, path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    console.print(table)


def safety(found: Any) -> None:
    """A table of what the gate did with messages, kind by kind, and when scripts were caught."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("label", "kind", "crisis", "not answered", "or help offered", "n"):
        table.add_column(column, justify="left" if column in ("label", "kind") else "right")
    for row in found.rows:
        shares = (row.rate(name) for name in ("crisis", "stopped", "met"))
        figures = (f"{rate:.1%} ({100 * low:.1f} to {100 * high:.1f})" for rate, low, high in shares)
        table.add_row(row.label, row.kind, *figures, str(row.n))
    console.print(table)
    if found.delays:
        late = sum(delay is not None and delay > 0 for delay in found.delays)
        never = found.delays.count(None)
        note = f"of {len(found.delays)} scripts with a crisis, {late} caught later than a person would, {never} never"
        console.print(f"[dim]{note}[/dim]", highlight=False)


def students_behind_the_gate(found: Any) -> None:
    """A table of who answered messages, and of the students' replies that were refused."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("system", "label", "n", "crisis help", "refusal", "small talk", "student", "offered", "refused"):
        table.add_column(column, justify="left" if column in ("system", "label") else "right")
    for row in found:
        why = ", ".join(f"{reason} {count}" for reason, count in row.refused.items())
        refused = f"{sum(row.refused.values())}" + (f" ({why})" if why else "")
        counts = (row.n, row.crisis, row.harmful, row.small, row.student, row.offered)
        table.add_row(row.system, row.label, *map(str, counts), refused)
    console.print(table)
