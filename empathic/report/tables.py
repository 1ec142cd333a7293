"""Every table of a report as CSV and as LaTeX (for `booktabs`), to calculate with or to put in a paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from empathic import files
from empathic.judge.measures import registry
from empathic.judge.measures.levels import LevelsMeasure
from empathic.run import Run
from empathic.run.artefacts import Artefact, Summary

Row = dict[str, Any]


def write_tables(run: Run) -> Path:
    """Write the tables of a run's `summary.json` to `tables/`, and return that folder.

    Raises:
        UserError: there is no summary.
    """
    import pandas

    folder = run.tables_folder
    exported = run.export()
    shipped = [("export", [_flat(row.model_dump()) for row in exported.rows])] if exported else []
    for name, rows in [*tables(run.summary()), *shipped]:
        table = pandas.DataFrame(rows)
        files.write_text(folder / f"{name}.csv", table.to_csv(index=False))
        files.write_text(
            folder / f"{name}.tex", table.to_latex(index=False, escape=True, float_format="%.3f", na_rep="")
        )
    return folder


def tables(figures: Summary) -> Iterator[tuple[str, list[Row]]]:
    """The tables of a summary that have rows, by name."""
    level = {_pair(row): row for row in _rows(figures.length_controlled)}
    rates = [row | _under("at_equal_lengths", level.get(_pair(row), {})) for row in _rows(figures.win_rates)]
    found = {
        "win_rates": _with_family(rates, figures),
        "differences": _with_family(_rows(figures.differences), figures),
        "ranking": figures.ranking,
        "who_beats_whom": _with_family(_rows(figures.who_beats_whom), figures),
        "by_emotion": _with_family(_rows(figures.by_emotion), figures),
        "by_length": _with_family(_rows(figures.by_length), figures),
        "alpha": _alphas(figures),
        "judge_kappas": figures.judge_kappas,
        "controls": [
            {"measure": measure, "control": name, **of.model_dump()}
            for measure, controls in figures.controls.items()
            for name, of in controls.items()
        ],
        "hollowness": figures.hollowness,
        "lost": [_flat(row) for row in figures.lost],
        "people": [_flat({"a": said["a"], "b": said["b"], **of}) for said in figures.people for of in said["judges"]],
        "people_win_rates": [
            {"raters": said["raters"], "votes": said["votes"], **said["win_rate"]} for said in figures.people
        ],
        "sendable": _rows(figures.sendable),
        "readings": (figures.readings or {}).get("rates", []),
        "readings_agreement": (figures.readings or {}).get("agreement", []),
        "corpus": figures.corpus["by_origin"],
        "left_out": [{"reason": why, "rows": n} for why, n in (figures.corpus.get("left_out") or {}).items()],
        "training": [{"step": step, **of} for step, of in figures.training.items()],
        "bill": figures.bill,
        "seconds": [{"stage": stage, "seconds": seconds} for stage, seconds in figures.seconds.items()],
    }
    return ((name, rows) for name, rows in found.items() if rows)


def _rows(of: Sequence[Artefact]) -> list[Row]:
    return [row.model_dump() for row in of]


def _pair(row: Row) -> tuple[str, str, str]:
    return row["a"], row["b"], row["measure"]


def _under(name: str, of: Row) -> Row:
    return {f"{name}_{key}": of.get(key) for key in ("estimate", "low", "high", "extrapolated")}


def _with_family(rows: list[Row], figures: Summary) -> list[Row]:
    """Rows with the families that judges behind a measure share with a teacher; empty where there are none."""
    joint = {kind.name for kind in registry.MEASURES if kind.joint}
    if not figures.levels_asked:
        joint.discard(LevelsMeasure.name)

    def families(measure: str) -> list[str]:
        return sorted({of["family"] for of in figures.one_family if measure in (*joint, of["judge"])})

    return [{**row, "family": ", ".join(families(row["measure"]))} for row in rows]


def _alphas(figures: Summary) -> list[Row]:
    """Krippendorff's alpha among judges and among people, where there are several."""
    a, b = figures.headline
    found: list[Row] = [{"among": "judges", "a": a, "b": b, "alpha": figures.alpha}]
    found += [{"among": "people", "a": said["a"], "b": said["b"], "alpha": said["alpha"]} for said in figures.people]
    return [row for row in found if row["alpha"] is not None]


def _flat(row: Row, before: str = "") -> Row:
    """A row whose rows within are columns of its own."""
    flat: Row = {}
    for key, value in row.items():
        flat |= _flat(value, f"{before}{key}_") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat
