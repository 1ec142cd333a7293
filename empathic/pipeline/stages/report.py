"""The report stage: the summary, its tables and the page."""

from __future__ import annotations

from empathic.pipeline.stage import Forecast, Stage
from empathic.report import page, summary, tables
from empathic.run import Row, Run


def work(run: Run) -> Row:
    """Write the summary, its tables and the page."""
    summary.write_summary(run)
    tables.write_tables(run)
    page.write_page(run)
    return {}


def forecast(of: Forecast) -> str:
    """Where the page would be."""
    return str(of.folder / "report.html")


STAGE = Stage(
    "report",
    about="one page to read",
    keys=(),
    inputs=lambda run: [
        run.recipe_file,
        *map(run.replies, run.systems),
        run.path("verdicts"),
    ],
    outputs=lambda run: [run.summary_file, run.page_file, run.tables_folder],
    work=work,
    forecast=forecast,
)
