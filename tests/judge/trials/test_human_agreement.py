from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

from empathic.endpoints.chat_api import Answer
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.judge.measures import levels
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.trials import human_agreement, human_labels
from empathic.recipe import Judge
from empathic.stats.agreement import agreement, alpha

SEVERAL = ([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0], list("abcdef"))


def test_weighted_kappa_is_the_textbooks() -> None:
    """1 - (0 + 1 + 0 + 0 + 0 + 4) / the same sum over all 36 pairings by chance, divided by 6."""
    people, judge, _ = SEVERAL
    chance = sum((p - j) ** 2 for p in people for j in judge) / 6
    found = agreement(*SEVERAL)
    assert found.kappa == pytest.approx(1 - 5 / chance)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.f1 == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (2 + 3) + 2 * 1 / (2 + 1)) / 3)


def test_full_agreement_chance_and_contradiction() -> None:
    levels = [0, 1, 2] * 40
    groups = [str(i) for i in range(120)]
    assert agreement(levels, levels, groups).kappa == 1
    assert agreement(levels, [2 - level for level in levels], groups).kappa == -1
    constant = agreement(levels, [1] * 120, groups)
    assert constant.kappa == 0 and constant.accuracy == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="as many"):
        agreement([], [], [])


@pytest.mark.parametrize("n", [30, 200])
@pytest.mark.parametrize("sure", [0.3, 0.6, 0.9])
def test_the_interval_covers_the_truth_in_a_thousand_studies(sure: float, n: int) -> None:
    dice, covered, groups = numpy.random.default_rng(1), 0, [str(i) for i in range(n)]
    for _ in range(1000):
        people = dice.integers(0, 3, n)
        judge = numpy.where(dice.random(n) < sure, people, dice.integers(0, 3, n))
        found = agreement(human_agreement.tolist(), judge.tolist(), groups)
        covered += found.low <= sure <= found.high  # kappa of a judge that guesses in the others
    assert 0.93 <= covered / 1000 <= 0.97


@pytest.mark.parametrize("levels", [[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], [0, 2] * 5])
def test_ten_that_all_agree_are_not_certain_and_a_thousand_nearly_are(levels: list[int]) -> None:
    few, many = (agreement(levels * k, levels * k, [str(i) for i in range(10 * k)]) for k in (1, 100))
    assert few.kappa == few.high == many.kappa == many.high == 1
    assert few.low < 0.6 and 0.95 < many.low < 1
    reversed_ = agreement(levels, [2 - level for level in levels], [str(i) for i in range(10)])
    assert reversed_.low <= reversed_.kappa < -0.9 and reversed_.high > -0.6


def test_one_level_throughout_tells_nothing() -> None:
    same = agreement([2] * 50, [2] * 50, [str(i) for i in range(50)])
    assert same.kappa == 0 and same.low < -0.5 and same.high > 0.5


def test_the_interval_grows_where_groups_hang_together() -> None:
    dice = numpy.random.default_rng(1)
    people = numpy.repeat(dice.integers(0, 3, 40), 5)
    judge = numpy.repeat(numpy.where(dice.random(40) < 0.6, people[::5], dice.integers(0, 3, 40)), 5)
    apart = agreement(human_agreement.tolist(), judge.tolist(), [str(i) for i in range(200)])
    together = agreement(human_agreement.tolist(), judge.tolist(), [str(i // 5) for i in range(200)])
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_krippendorffs_alpha_of_his_own_example() -> None:
    """The twelve units and four observers of Krippendorff (2011, Computing Krippendorff's alpha), interval metric."""
    table = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
        (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
        (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )
    raters = [{str(i): float(v) for i, v in enumerate(row) if v is not None} for row in table]
    assert alpha(raters) == pytest.approx(0.849, abs=5e-4)
    assert alpha([{"a": 1.0}, {"b": 0.0}]) is None
    assert alpha([{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}]) == pytest.approx(-0.5)


def test_levels_come_from_probabilities_or_from_the_word() -> None:
    found = levels.probabilities(Answer("2", "length", {"2": -0.5, " 2": -2.0, "0": -1.5, "I": -0.1}))
    assert found and levels.argmax_level(found) == 2 and 1 < levels.expected_level(found) < 2
    assert sum(found) == pytest.approx(1)
    assert levels.probabilities(Answer("Level 1.", "stop", {})) == (0, 1, 0)
    assert levels.probabilities(Answer("No idea", "stop", {})) is None
    assert levels.probabilities(Answer("x", "length", {"x": 0.0})) is None


def test_the_questions_on_levels_share_all_but_their_end_and_show_examples() -> None:
    asked = levels.requests(JudgedReply("I won!", "Well done."))
    assert len({json.dumps(request.messages[:-1]) for request in asked}) == 1
    assert all(r.messages[-1]["content"].startswith("Message: I won!\n\nReply: Well done.\n\n") for r in asked)
    assert {t["content"] for t in asked[0].messages if t["role"] == "assistant"} == {"0", "1", "2"}


def _epitome(folder: Path, **changes: str) -> Path:
    """Forty posts with a reply each, levels by turns."""
    folder.mkdir(parents=True)
    for behaviour in levels.BEHAVIOURS:
        lines = ["sp_id,rp_id,seeker_post,response_post,level,rationales"]
        lines += [f'p{i},r{i},"Post {i}, so sad 🙂","Reply {i}",{i % 3},' for i in range(40)]
        text = "\n".join(lines) + "\n"
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / f"{behaviour.replace('_', '-')}-reddit.csv").write_text(text, encoding="utf-8")
    return folder


def test_epitome_is_split_by_post_whatever_the_order(tmp_path: Path) -> None:
    train, held = human_labels.epitome(_epitome(tmp_path / "a"))
    assert len(train) + len(held) == 40 and 1 <= len(held) <= 14
    assert held[0].levels.keys() == set(levels.BEHAVIOURS) and "🙂" in held[0].asked.utterance
    for path in (tmp_path / "a").iterdir():
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([first, *reversed(rest)]), encoding="utf-8")
    assert {row.id for row in human_labels.epitome(tmp_path / "a")[1]} == {row.id for row in held}


def test_a_reply_that_got_two_levels_is_left_out_and_one_that_got_the_same_twice_stays(tmp_path: Path) -> None:
    folder = _epitome(tmp_path / "a")
    whole = {row.id for part in human_labels.epitome(folder) for row in part}
    path = folder / "explorations-reddit.csv"
    again = 'p0,r0,"Post 0, so sad 🙂","Reply 0",0,\np1,r1,"Post 1, so sad 🙂","Reply 1",2,\n'
    path.write_text(path.read_text(encoding="utf-8") + again, encoding="utf-8")
    assert whole - {row.id for part in human_labels.epitome(folder) for row in part} == {"p1 r1"}


@pytest.mark.parametrize(("changes", "fault"), [({"level": "score"}, "no column 'level'"), ({",0,": ",7,"}, "'7'")])
def test_labels_of_another_form_are_refused(refused, changes: dict[str, str], fault: str, tmp_path: Path) -> None:
    _epitome(tmp_path / "epitome", **changes)
    assert fault in refused("judge", "agreement", "epitome", EMPATHIC_DATA=str(tmp_path))


def test_labels_that_are_not_there_say_where_to_get_them(refused, tmp_path: Path) -> None:
    for what in ("epitome", "rated"):
        assert "docs/data.md" in refused("judge", "agreement", what, EMPATHIC_DATA=str(tmp_path))


def test_a_judge_that_says_what_people_said_agrees_fully(talking, tmp_path: Path) -> None:
    train, _ = human_labels.epitome(_epitome(tmp_path / "epitome"))

    def say(messages: list[dict[str, str]]) -> str:
        number = int(messages[-1]["content"].split("Reply ")[1].split()[0])
        return str(number % 3) if number % 5 else "I can't say"

    url = talking(say).urls[0]
    found = human_agreement.of_levels(train, Judge(endpoint=url, model="m"), tmp_path / "l.sqlite")
    assert all(of.agreement.kappa == 1 and of.agreement.accuracy == 1 for of in found.values())
    assert all(of.order == pytest.approx(1) for of in found.values())
    assert found["explorations"].unanswered == sum(int(row.post[1:]) % 5 == 0 for row in train)


def test_agreement_with_people_from_the_command_line(empathic, welivita: Path, tmp_path: Path) -> None:
    settings = ("--judge", "local:smollm2-135m", "--ledger", tmp_path / "l.sqlite", "--n", 4)
    env = {"EMPATHIC_DATA": str(welivita)}
    done = empathic("judge", "agreement", "epitome", *settings, "--json", **env)
    assert done.returncode == 0, done.stderr
    counts = {name: row["n"] + row["unanswered"] for name, row in json.loads(done.stdout).items()}
    assert counts == dict.fromkeys(levels.BEHAVIOURS, 4)
    assert "explorations" in empathic("judge", "agreement", "epitome", *settings, **env).stdout
    rated = empathic("judge", "agreement", "rated", *settings, "--json", **env)
    found = json.loads(rated.stdout)
    rates = {row["judge"]: row["estimate"] for row in found["rates"]}
    assert list(rates) == ["behaviours", "specificity", "agreed", "pairwise"]
    assert {row["n"] for row in found["rates"]} == {found["over_pairwise"]["n"]} == {4}
    assert found["over_pairwise"]["estimate"] == rates["behaviours"] - rates["pairwise"]
    assert "behaviours over pairwise" in empathic("judge", "agreement", "rated", *settings, **env).stdout


def test_levels_are_asked_of_a_served_model_once(tiny_gguf: Path, tmp_path: Path) -> None:
    ledger, asked = Ledger(tmp_path / "l.sqlite"), [JudgedReply("I won!", "Well done."), JudgedReply("I lost.", "")]
    with open_endpoint(f"local:{tiny_gguf}") as endpoint:
        first = levels.score(endpoint, asked, ledger)
    assert levels.score(endpoint, asked, ledger) == first  # the server is gone: the ledger answers
