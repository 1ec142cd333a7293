from __future__ import annotations

from empathic.phone.recommend import recommend
from empathic.run.artefacts import ExportRow


def _row(quant: str, size: int, holds: bool = True, sendable: float | None = None, written: bool = True) -> ExportRow:
    return ExportRow(
        file=f"dpo-{quant}.gguf" if written else None,
        quant=quant,
        imatrix=False,
        bytes=size,
        bits_per_weight=8,
        types={},
        fell_back=0,
        prompts=True,
        kl_mean=0,
        kl_999=0,
        top1=1,
        perplexity=9,
        identical=1,
        positions=9,
        holds=holds,
        sendable=sendable,
    )


def _chosen(*rows: ExportRow) -> tuple[str | None, str]:
    best, rule = recommend(rows)
    return best.quant if best else None, rule


def test_by_sendable_replies_the_smallest_within_three_points_of_f16_ships() -> None:
    rows = [_row("f16", 16, sendable=0.40), _row("q5_0", 6, sendable=0.37), _row("q4_0", 4, sendable=0.36)]
    quant, rule = _chosen(*rows)
    assert quant == "q5_0"
    assert "3 points" in rule


def test_without_readings_of_every_file_the_bars_decide_and_the_rule_says_so() -> None:
    rows = [_row("f16", 16, sendable=0.40), _row("q5_0", 6), _row("q4_0", 4, holds=False)]
    quant, rule = _chosen(*rows)
    assert quant == "q5_0"
    assert "no replies of these files were read" in rule


def test_files_that_are_refused_or_below_their_bar_are_never_recommended() -> None:
    assert _chosen(_row("q4_0", 4, holds=False), _row("q5_0", 5, written=False))[0] is None
