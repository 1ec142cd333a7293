from __future__ import annotations

from empathic.phone.recommend import recommend
from empathic.run.artefacts import ExportRow, PairedRow, SentRow


def _read(estimate: float, over_f16: float | None, spread: float, n: int) -> SentRow:
    gap = None
    if over_f16 is not None:
        gap = PairedRow(estimate=over_f16, low=over_f16 - spread, high=over_f16 + spread, p=1, n=n)
    return SentRow(estimate=estimate, low=0, high=1, n=n, over_f16=gap)


def _row(
    quant: str,
    size: int,
    holds: bool = True,
    over_f16: float | None = None,
    read: bool = False,
    written: bool = True,
    spread: float = 0.01,
) -> ExportRow:
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
        sendable=_read(0.4, over_f16, spread, 200) if read or over_f16 is not None else None,
    )


def _chosen(*rows: ExportRow) -> tuple[str | None, str]:
    best, rule = recommend(rows)
    return best.quant if best else None, rule


def test_by_sendable_replies_the_smallest_within_three_points_of_f16_ships() -> None:
    rows = [_row("f16", 16, read=True), _row("q5_0", 6, over_f16=-0.03, spread=0), _row("q4_0", 4, over_f16=-0.04)]
    quant, rule = _chosen(*rows)
    assert quant == "q5_0"
    assert rule.endswith("by more than 3 points")


def test_the_rule_says_where_readings_are_too_few_to_tell() -> None:
    rows = [_row("f16", 16, read=True), _row("q5_0", 6, over_f16=0.01, spread=0.1)]
    quant, rule = _chosen(*rows)
    assert quant == "q5_0"
    assert "200 messages can't tell so little apart: it may be 9 points worse" in rule


def test_without_readings_of_every_file_the_bars_decide_and_the_rule_says_so() -> None:
    rows = [_row("f16", 16), _row("q5_0", 6), _row("q4_0", 4, holds=False)]
    assert _chosen(*rows) == (
        "q5_0",
        "the smallest that meets the bars of parity; no replies of these files were read",
    )
    for unread in (
        [_row("f16", 16, read=True), _row("q5_0", 6)],
        [_row("q8_0", 16, read=True), _row("q5_0", 6, read=True)],
    ):
        quant, rule = _chosen(*unread)
        assert quant == "q5_0" and "beside it were not all read" in rule


def test_a_file_below_its_bar_need_not_be_read_and_ships_if_readers_find_it_no_worse() -> None:
    rows = [_row("f16", 16, read=True), _row("q5_0", 6, over_f16=0.0), _row("q4_0", 4, holds=False)]
    assert _chosen(*rows)[0] == "q5_0"
    assert _chosen(*rows[:2], _row("q4_0", 4, holds=False, over_f16=0.0))[0] == "q4_0"
    assert _chosen(*rows[:2], _row("q4_0", 4, holds=False, over_f16=-0.1))[0] == "q5_0"


def test_files_that_are_refused_or_below_their_bar_are_never_recommended() -> None:
    assert _chosen(_row("q4_0", 4, holds=False), _row("q5_0", 5, written=False))[0] is None
