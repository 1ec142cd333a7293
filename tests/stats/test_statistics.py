"""Intervals against simulated judges of known skill, bias and tie rate: a thousand studies each."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from scipy.stats import binomtest, norm

from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger
from empathic.judge.measures import pairwise
from empathic.stats.corrected import Labelled, rogan_gladen_rate
from empathic.stats.length import length_controlled
from empathic.stats.paired import Difference, clustered_difference, paired_difference
from empathic.stats.power import min_detectable_difference, min_detectable_win_rate
from empathic.stats.win_rate import Z, win_rate

STUDIES = 1000
HONEST = (0.93, 0.97)  # how often a 95% interval may cover the truth


def _outcomes(dice: numpy.random.Generator, rate: float, ties: float, size: tuple[int, ...]) -> numpy.ndarray:
    """Outcomes with a mean of `rate` and a share of ties."""
    return dice.choice([1.0, 0.5, 0.0], p=[rate - ties / 2, ties, 1 - rate - ties / 2], size=size)


@pytest.mark.parametrize(("rate", "ties", "n"), [(0.6, 0.0, 250), (0.6, 0.4, 250), (0.85, 0.2, 64), (0.5, 0.8, 100)])
def test_a_win_rates_interval_is_honest_with_and_without_ties(rate: float, ties: float, n: int) -> None:
    studies = _outcomes(numpy.random.default_rng(1), rate, ties, (STUDIES, n))
    found = [win_rate("a", "b", "j", list(study)) for study in studies]
    assert HONEST[0] <= sum(one.low <= rate <= one.high for one in found) / STUDIES <= HONEST[1]


def test_all_ties_and_all_wins_are_not_certain() -> None:
    ties, wins = win_rate("a", "b", "j", [0.5] * 50), win_rate("a", "b", "j", [1.0] * 50)
    assert 0 < ties.high - ties.low < 0.06
    assert ties.estimate == 0.5
    assert wins.low < 0.95


@pytest.mark.parametrize("bias", [1.0, 0.6])
def test_a_judge_that_goes_by_position_is_drawn_to_one_half_and_no_further(
    talking: Callable[..., Endpoint], bias: float, tmp_path: Path
) -> None:
    """It says A to so many questions, and tells the kind reply, 70% of them the first system's, in the others."""
    dice, n = numpy.random.default_rng(2), 150
    better, blind = dice.random(n) < 0.7, dice.random((n, 2)) < bias
    firsts = []

    def say(messages: list[dict[str, str]]) -> str:
        shown = re.search(r"Message: (\d+)\n\nReply A: (\w+) (\w+)\n", messages[-1]["content"])
        assert shown
        number, system, said = shown.groups()
        answer = "A" if blind[int(number), int(system == "second")] or said == "kind" else "B"
        if system == "first":
            firsts.append(answer == "A")
        return answer

    said = [("kind", "dull") if kind else ("dull", "kind") for kind in better]
    pairs = [pairwise.ReplyPair(str(i), f"first {one}", f"second {other}") for i, (one, other) in enumerate(said)]
    outcomes = pairwise.score(talking(say), pairs, Ledger(tmp_path / "ledger.sqlite"))
    found = win_rate("first", "second", "j", [outcome for outcome in outcomes if outcome is not None])
    assert found.n == n
    assert found.low <= 0.5 + (1 - bias) * 0.2 <= found.high
    assert found.estimate == 0.5 or bias < 1
    assert numpy.mean(firsts) > found.high, "one order alone believes the position"


def _halves(differences: numpy.ndarray) -> tuple[dict[int, float], dict[int, float]]:
    """Outcomes of two systems that differ by so much, dialogue by dialogue."""
    first = (differences > 0).astype(float)
    return dict(enumerate(first)), dict(enumerate(first - differences))


DIFFERENCES = {  # shares of -1, -0.5, 0, 0.5 and 1
    "dense": (0.2, 0.0, 0.5, 0.0, 0.3),
    "dense, with ties": (0.1, 0.2, 0.3, 0.25, 0.15),
    "far apart": (0.02, 0.03, 0.25, 0.2, 0.5),
    "sparse": (0.03, 0.0, 0.85, 0.0, 0.12),
    "sparse, with ties": (0.01, 0.03, 0.85, 0.08, 0.03),
    "sparse and level": (0.03, 0.0, 0.94, 0.0, 0.03),
    "sparse, level, with ties": (0.03, 0.06, 0.82, 0.06, 0.03),
}


@pytest.mark.parametrize("n", [32, 64, 100, 250])
@pytest.mark.parametrize("setting", DIFFERENCES)
def test_a_paired_differences_interval_is_honest_and_of_one_mind_with_its_p(setting: str, n: int) -> None:
    dice, shares, values = numpy.random.default_rng(3), DIFFERENCES[setting], numpy.arange(-2, 3) / 2
    truth, covered = float(shares @ values), 0
    for _ in range(STUDIES):
        found = paired_difference(*_halves(dice.choice(values, p=shares, size=n)))
        covered += found.low <= truth <= found.high
        assert found.low < found.high and found.low <= found.estimate <= found.high
        assert found.low <= 0 <= found.high if found.p >= 0.05 else found.low >= 0 or found.high <= 0
    few = "level" in setting or n * (1 - shares[2]) < 20  # an exact test of few, or at no difference, is a strict one
    assert HONEST[0] <= covered / STUDIES <= (1 if few else HONEST[1])


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_what_makes_a_dialogue_hard_for_both_falls_out_of_a_difference(ties: float) -> None:
    dice, covered, rejected = numpy.random.default_rng(9), 0, 0
    for _ in range(STUDIES):
        hard = dice.random(120) < 0.5
        first = numpy.where(hard, _outcomes(dice, 0.5, ties, (120,)), _outcomes(dice, 0.8, ties, (120,)))
        second = numpy.where(hard, _outcomes(dice, 0.4, ties, (120,)), _outcomes(dice, 0.7, ties, (120,)))
        found = paired_difference(dict(enumerate(first)), dict(enumerate(second)))
        covered += found.low <= 0.1 <= found.high
        rejected += found.p < 0.05
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert 0.1 < rejected / STUDIES < 0.9


def test_a_difference_over_faults_is_one_by_dialogue() -> None:
    dice, covered, faults = numpy.random.default_rng(4), 0, 8
    for _ in range(STUDIES):
        skill = numpy.clip(dice.normal(0.7, 0.2, (32, 1)), 0, 1)  # some dialogues are hard for one way of asking alone
        first = (dice.random((32, faults)) < skill).astype(float)
        second = (dice.random((32, faults)) < 0.6).astype(float)
        found = clustered_difference(dict(enumerate(first)), dict(enumerate(second)))
        covered += found.low <= 0.0943 <= found.high  # clipping takes 0.0057 off
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    level = clustered_difference({1: [1.0, 0.5], 2: [1.0, 0.5]}, {1: [1.0, 0.0], 2: [1.0, 0.0]})
    assert (level.estimate, level.low, level.high, level.p) == (0.25, -1, 1, 1)


def test_few_dialogues_that_differ_are_not_certain() -> None:
    def lost(dialogues: int) -> Difference:
        return paired_difference(*_halves(numpy.array([-1.0] * dialogues + [0.0] * (32 - dialogues))))

    none, some, five, six = lost(0), lost(3), lost(5), lost(6)
    assert none.high == -none.low == pytest.approx(Z**2 / (32 + Z**2)) and none.p == 1
    assert some.p == pytest.approx(0.25) and -0.25 < some.low < -0.2 and 0.02 < some.high < 0.03
    assert five.p == pytest.approx(0.0625) and five.high == 0
    assert six.p == pytest.approx(0.03125) and six.high < -0.05
    assert -1 <= lost(32).low < lost(32).high < -0.7


@pytest.mark.parametrize(("won", "lost", "n"), [(12, 2, 50), (30, 9, 100), (40, 0, 64)])
def test_the_interval_of_wins_and_losses_is_tangos(won: int, lost: int, n: int) -> None:
    def score(supposed: float) -> float:
        a, b, c = 2 * n, (2 * n - won + lost) * supposed - won - lost, -lost * supposed * (1 - supposed)
        other = (math.sqrt(b * b - 4 * a * c) - b) / (2 * a)
        return (won - lost - n * supposed) / math.sqrt(n * (2 * other + supposed * (1 - supposed)))

    found = paired_difference(*_halves(numpy.array([1.0] * won + [-1.0] * lost + [0.0] * (n - won - lost))))
    assert [score(found.low), score(found.high)] == pytest.approx([Z, -Z], abs=1e-3)


def test_no_difference_is_found_five_times_in_a_hundred() -> None:
    dice, found = numpy.random.default_rng(4), 0
    for _ in range(STUDIES):
        first, second = (dict(enumerate(_outcomes(dice, 0.7, 0.2, (60,)))) for _ in range(2))
        found += paired_difference(first, second).p < 0.05
    assert 0.03 < found / STUDIES < 0.07


def test_p_is_that_of_mcnemars_exact_test_and_of_all_signs_at_once() -> None:
    first = {str(i): float(i < 12) for i in range(20)}
    second = {str(i): float(i < 3 or i == 19) for i in range(20)}
    assert paired_difference(first, second).p == pytest.approx(binomtest(9, 10).pvalue)
    halves = numpy.array([1, 0.5, -0.5, 0.5, 1, 0.5, -1, 0.5, 1, 0])
    signs = numpy.array(list(itertools.product((-1, 1), repeat=9)))
    all_ = abs(signs @ abs(halves[:9])) >= halves.sum()
    assert paired_difference(*_halves(halves)).p == pytest.approx(all_.mean())
    with pytest.raises(ValueError, match="over 1"):
        paired_difference({"a": 1.0}, {"a": 0.0})


@pytest.mark.parametrize(("skill", "love", "shift"), [(0.5, 0.0, 0.0), (0.4, 2.0, 0.5), (-0.3, 1.0, -0.5)])
def test_a_length_controlled_rates_interval_is_honest(skill: float, love: float, shift: float) -> None:
    dice, truth = numpy.random.default_rng(5), 1 / (1 + math.exp(-skill))
    covered = 0
    for _ in range(STUDIES):
        longer = dice.normal(10 * shift, 10, 250)
        chance = 1 / (1 + numpy.exp(-(skill + love * numpy.tanh(longer / longer.std()))))
        won = (dice.random(250) < chance).astype(float)
        low, _, high = _at_equal_lengths(won, longer)
        covered += low <= truth <= high
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]


def _at_equal_lengths(won: numpy.ndarray, longer: numpy.ndarray) -> tuple[float, float, float]:
    """Its lower bound, the rate, its upper bound."""
    found = length_controlled("a", "b", "j", list(won), list(longer))
    assert found.low is not None and found.estimate is not None and found.high is not None
    assert not found.extrapolated
    return found.low, found.estimate, found.high


LOVERS = {  # what judges that go by length alone make of so many words more; at equal lengths they know no better
    "the longer": lambda dice, words: (numpy.sign(words) + 1) / 2,
    "the longer, level within four words": lambda dice, words: (numpy.sign(words) * (abs(words) > 4) + 1) / 2,
    "the longer, absent at times": lambda dice, words: numpy.where(
        dice.random(len(words)) < 0.1, dice.random(len(words)) < 0.5, (numpy.sign(words) + 1) / 2
    ),
    "by the word, with ties": lambda dice, words: numpy.where(
        dice.random(len(words)) < 0.3, 0.5, dice.normal(size=len(words)) < words / 5
    ),
}


@pytest.mark.parametrize("n", [64, 250])
@pytest.mark.parametrize("mean", [-8, 0, 8])
@pytest.mark.parametrize("lover", LOVERS)
def test_a_judge_that_loves_length_alone_is_level_after_the_control(lover: str, mean: int, n: int) -> None:
    dice, plain, found = numpy.random.default_rng(6), [], []
    while len(found) < 200:
        longer = numpy.round(dice.normal(mean, 10, n))
        if min((longer > 0).sum(), (longer < 0).sum()) >= n / 10:
            won = LOVERS[lover](dice, longer)
            plain.append(won.mean())
            found.append(_at_equal_lengths(won, longer))
    assert 0.45 <= numpy.mean([rate for _, rate, _ in found]) <= 0.55
    assert numpy.mean([low <= 0.5 <= high for low, _, high in found]) > 0.85, "no logistic judge: a little too sure"
    assert mean == 0 or abs(numpy.mean(plain) - 0.5) > 0.15, "without the control it is far off"


@pytest.mark.parametrize(("mean", "spread"), [(-20, 10), (-60, 30), (20, 10)])
def test_no_rate_at_equal_lengths_is_made_up_where_one_side_is_nearly_always_longer(mean: int, spread: int) -> None:
    dice = numpy.random.default_rng(6)
    for n in (64, 250):
        longer = dice.normal(mean, spread, n)
        row = length_controlled("a", "b", "j", list((longer > 0).astype(float)), list(longer)).to_row()
        assert row["extrapolated"] is True and row["n"] == n
        assert row["estimate"] is row["low"] is row["high"] is None
    assert length_controlled("a", "b", "j", [1.0] * 20, [-3.0] * 4 + [5.0] * 16).extrapolated
    assert not length_controlled("a", "b", "j", [1.0] * 20, [-3.0] * 4 + [0.0] + [5.0] * 15).extrapolated


def test_equal_lengths_leave_the_rate_and_a_clean_sweep_is_finite() -> None:
    won = [1.0] * 30 + [0.0] * 10
    assert length_controlled("a", "b", "j", won, [0.0] * 40).estimate == pytest.approx(0.75, abs=1e-3)
    low, rate, _ = _at_equal_lengths(numpy.ones(40), numpy.arange(40.0) % 7)
    assert low < 0.9 < rate < 1
    with pytest.raises(ValueError, match="lengths"):
        length_controlled("a", "b", "j", [1.0], [])


@pytest.mark.parametrize(("truth", "sees", "rejects"), [(0.7, 0.9, 0.8), (0.5, 0.75, 0.75), (0.9, 0.95, 0.7)])
def test_a_corrected_rates_interval_is_honest_and_wider(truth: float, sees: float, rejects: float) -> None:
    dice = numpy.random.default_rng(7)
    covered, wider = 0, 0
    for _ in range(STUDIES):
        won = dice.binomial(250, truth * sees + (1 - truth) * (1 - rejects))
        labelled = Labelled(150, dice.binomial(150, sees), 150, dice.binomial(150, rejects))
        found = rogan_gladen_rate(won, 250, labelled)
        covered += found.low <= truth <= found.high
        plain = win_rate("a", "b", "j", [1.0] * won + [0.0] * (250 - won))
        wider += found.high - found.low > plain.high - plain.low
    assert HONEST[0] <= covered / STUDIES <= HONEST[1]
    assert wider > 0.95 * STUDIES


def test_a_judge_no_better_than_a_coin_can_not_be_corrected() -> None:
    with pytest.raises(ValueError, match="tells nothing"):
        rogan_gladen_rate(100, 200, Labelled(50, 25, 50, 25))
    with pytest.raises(ValueError, match="labelled"):
        rogan_gladen_rate(100, 200, Labelled(0, 0, 50, 25))


@pytest.mark.parametrize("n", [64, 250])
@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_the_smallest_rate_is_found_as_often_as_promised(ties: float, n: int) -> None:
    dice = numpy.random.default_rng(8)
    studies = _outcomes(dice, min_detectable_win_rate(n, ties), ties, (STUDIES, n))
    found = sum(win_rate("a", "b", "j", list(study)).low > 0.5 for study in studies) / STUDIES
    assert 0.74 < found < 0.86


@pytest.mark.parametrize("n", [32, 100, 250])
@pytest.mark.parametrize(("ties", "alike"), [(0.0, 0.0), (0.0, 0.5), (0.4, 0.5)])
def test_the_smallest_difference_is_found_as_often_as_promised(ties: float, correlation: float, n: int) -> None:
    dice, found = numpy.random.default_rng(8), 0
    step = min_detectable_difference(n, ties, correlation) / 2 / (1 - correlation)
    for _ in range(STUDIES):
        same, shared = dice.random(n) < correlation, _outcomes(dice, 0.5, ties, (n,))
        first, second = (numpy.where(same, shared, _outcomes(dice, 0.5 + s, ties, (n,))) for s in (step, -step))
        found += paired_difference(dict(enumerate(first)), dict(enumerate(second))).p < 0.05
    assert 0.74 < found / STUDIES < 0.86


def test_what_power_names_fulfils_the_published_formulas() -> None:
    """As many dialogues as Lemeshow et al., or Connor, ask for to find an effect are those that it was named for."""

    def asked_for(effect: float, square: float, power: float) -> float:
        beta = norm.ppf(power)
        return ((Z * math.sqrt(square) + beta * math.sqrt(square - effect**2)) / effect) ** 2

    for n, power in ((40, 0.8), (250, 0.8), (250, 0.3), (1000, 0.95)):
        assert asked_for(min_detectable_win_rate(n, power=power) - 0.5, 0.25, power) == pytest.approx(n)
        assert asked_for(
            min_detectable_difference(n, correlation=0.5, power=power) - 1 / n, 0.25, power
        ) == pytest.approx(n)
    assert min_detectable_difference(250, correlation=0.0) > min_detectable_difference(250, correlation=0.8)
    assert min_detectable_win_rate(250) > min_detectable_win_rate(250, ties=0.4)
    assert min_detectable_win_rate(1) == min_detectable_difference(1) == 1, "one dialogue shows nothing"
    with pytest.raises(ValueError, match="no power"):
        min_detectable_win_rate(0)
    with pytest.raises(ValueError, match="no power"):
        min_detectable_difference(250, power=1.0)
