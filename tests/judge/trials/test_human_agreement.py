from __future__ import annotations

import json
from pathlib import Path

import pytest

from empathic.endpoints.chat_api import Answer
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.judge.measures import levels
from empathic.judge.measures.behaviours import JudgedReply
from empathic.judge.trials import human_agreement, human_labels
from empathic.recipe import Judge


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


@pytest.mark.slow
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


@pytest.mark.long
@pytest.mark.network
def test_agreement_with_people_from_the_command_line(empathic, tiny_gguf: Path, welivita: Path, tmp_path: Path) -> None:
    settings = ("--judge", f"local:{tiny_gguf}", "--ledger", tmp_path / "l.sqlite", "--n", 4)
    env = {"EMPATHIC_DATA": str(welivita)}
    done = empathic("judge", "agreement", "epitome", *settings, "--json", **env)
    assert done.returncode == 0, done.stderr
    counts = {name: row["n"] + row["unanswered"] for name, row in json.loads(done.stdout).items()}
    assert counts == dict.fromkeys(levels.BEHAVIOURS, 4)
    assert "explorations" in empathic("judge", "agreement", "epitome", *settings, **env).stdout
    rated = empathic("judge", "agreement", "rated", *settings, "--json", **env)
    found = json.loads(rated.stdout)
    rates = {row["measure"]: row["estimate"] for row in found["rates"]}
    assert list(rates) == ["behaviours", "specificity", "agreed", "pairwise"]
    assert {row["n"] for row in found["rates"]} == {found["over_pairwise"]["n"]} == {4}
    assert found["over_pairwise"]["estimate"] == rates["behaviours"] - rates["pairwise"]
    assert "behaviours over pairwise" in empathic("judge", "agreement", "rated", *settings, **env).stdout


def test_levels_are_asked_of_a_served_model_once(tiny_gguf: Path, tmp_path: Path) -> None:
    ledger, asked = Ledger(tmp_path / "l.sqlite"), [JudgedReply("I won!", "Well done."), JudgedReply("I lost.", "")]
    with open_endpoint(f"local:{tiny_gguf}") as endpoint:
        first = levels.score(endpoint, asked, ledger)
    assert levels.score(endpoint, asked, ledger) == first  # the server is gone: the ledger answers
