"""The report stage: the summary, its tables and the page."""

from __future__ import annotations

from empathic.pipeline.stage import Forecast, Stage
from empathic.pipeline.stages import replies
from empathic.report import page, summary, tables
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Write the summary, its tables and the page."""
    summary.write_summary(run.folder)
    tables.write_tables(run.folder)
    page.write_page(run.folder)
    return {}


def forecast(of: Forecast) -> str:
    """Where the page would be."""
    return str(of.folder / "report.html")


STAGE = Stage(
    "report",
    keys=(),
    inputs=lambda run: [
        run.path("recipe.yaml"),
        *(run.path(*name.split("/")) for name in replies.OUTPUTS),
        run.path("verdicts"),
    ],
    outputs=("summary.json", "report.html", "tables"),
    work=work,
    forecast=forecast,
)
