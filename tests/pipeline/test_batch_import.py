"""Batch files that a host answered, read, and a run that then sends nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import closing
from pathlib import Path

import pytest
from batches import KEY, Line, answered, bill, write_recipe
from fault_server import Server

from empathic import files
from empathic.endpoints.ledger import Ledger


@pytest.mark.slow
def test_a_file_that_a_host_answered_leaves_a_run_nothing_to_send(faulty, empathic, at: Path) -> None:
    server = faulty()
    recipe = write_recipe(at, "in-sequence", server.url)
    host = Server(Namespace(faults=0.3, takes_no=["seed"], seed=1))
    said, rounds = "", 0
    while "nothing is open" not in said:
        done = empathic("teacher", "export-batch", recipe, "--out", "q.jsonl")
        assert done.returncode == 0, done.stderr
        assert KEY not in (at / "q.jsonl").read_text(encoding="utf-8")
        host.files = [(at / "q.jsonl").read_text(encoding="utf-8")]
        host.finish({"input_file_id": "file-0"})
        names = [name for name, text in zip(("a", "e"), host.files[1:], strict=True) if text]
        for name, text in zip(("a", "e"), host.files[1:], strict=True):
            (at / name).write_text(text, encoding="utf-8")
        if names:
            done = empathic("teacher", "import-batch", recipe, *names, SOME_KEY=KEY)
            assert done.returncode == 0, done.stderr
            said, rounds = done.stdout, rounds + 1
    assert rounds >= 6  # three turns, each refused for its seed first
    done = empathic("run", recipe, "--until", "corpus", SOME_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert server.counts()["came"] == {}
    assert [row["id"] for row in files.read_jsonl(at / "runs/r/teacher.jsonl")] == ["d2", "d3", "d4", "d5"]
    assert not list(files.read_jsonl(at / "runs/r/aside.jsonl"))
    one_by_one = empathic("run", recipe, "--until", "corpus", "--out", "live", SOME_KEY=KEY)
    assert one_by_one.returncode == 0, one_by_one.stderr
    assert (at / "runs/r/teacher.jsonl").read_bytes() == (at / "live/teacher.jsonl").read_bytes()


def test_answers_are_paid_by_batch_prices_and_open_turns_are_said(at: Path, command, export, bring) -> None:
    first = export(write_recipe(at, "in-sequence"))
    code, said = bring(*map(answered, first))
    assert code == 0
    assert "4 new answers" in said
    assert "4 questions are open still, of 4 dialogues" in said
    (row,) = bill()
    assert (row["answers"], row["prompt_tokens"]) == (4, 400)
    assert row["cost"] == pytest.approx((400 * 1.25 + 80 * 5.0) / 1e6)
    second = export()
    assert len(second) == 4
    assert {len(line["body"]["messages"]) for line in second} == {3}
    bring(*({**answered(line), "live": True} for line in second))
    (row,) = bill()
    assert row["cost"] == pytest.approx((400 * 1.25 + 80 * 5.0) / 1e6 + (400 * 2.5 + 80 * 10.0) / 1e6), "not a batch's"
    assert "nothing is open" in bring(*map(answered, export()))[1]
    code, said = command("teacher", "export-batch", "r.yaml", "--out", "none.jsonl")
    assert code == 2
    assert "every question is answered" in said
    code, said = command("teacher", "export-batch", "r.yaml", "--out", "a.jsonl")
    assert code == 2 and "every question is answered" in said, "also where something else has the file's name"
    assert not Path("none.jsonl").exists()


def test_usage_that_is_absent_is_estimated(at: Path, export, bring) -> None:
    bring(*(answered(line, usage=None) for line in export(write_recipe(at))))
    (row,) = bill()
    assert row["prompt_tokens"] > 4 * 50
    assert row["completion_tokens"] > 4 * 10
    assert row["cost"] > 0


def test_a_line_that_is_answered_twice_keeps_the_first(at: Path, export, bring) -> None:
    lines = export(write_recipe(at))
    answers = [*map(answered, lines)]
    code, said = bring(*answers[:2], answers[0], answered(lines[1], "Another reply, said of the boat in the bay."))
    assert (code, "2 new answers" in said) == (0, True)
    assert f"1 were answered twice, and otherwise: the first answer is kept (such as {lines[1]['custom_id']})" in said
    code, said = bring(answers[0], answered(lines[1], "A third reply, said of the boat in the bay."), answers[2])
    assert "1 new answers are in the ledger; 1 were there before" in said
    assert "the first answer is kept" in said
    assert bill()[0]["answers"] == 3
    with closing(Ledger(Path("runs/r/ledger.sqlite"))) as ledger:
        texts = [row["answer"]["text"] for row in ledger.rows()]
    assert not [text for text in texts if text.startswith(("Another", "A third"))]


def _error(asked: Line, message: str) -> tuple[Line, Line]:
    """A request that is refused, as OpenAI's file of errors has it, and as vLLM's file of results."""
    fault = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": 400}}
    theirs = {"id": "b", "custom_id": asked["custom_id"]}
    return (
        {**theirs, "response": {"status_code": 400, "request_id": "r", "body": fault}, "error": None},
        {**theirs, "response": {"status_code": 400, "request_id": "r", "body": None}, "error": fault},
    )


@pytest.mark.parametrize("host", [0, 1])
def test_a_file_of_errors_brings_no_answer_and_teaches_the_next_export(at: Path, export, bring, host: int) -> None:
    lines = export(write_recipe(at))
    code, said = bring(*(_error(line, "Unsupported parameter: 'seed' is not supported.")[host] for line in lines))
    assert code == 0
    assert "0 new answers" in said
    assert "4 are of no use, and asked again: the server answered 400 (Unsupported parameter: 'seed'" in said
    again = export()
    assert [line["custom_id"] for line in again] == [line["custom_id"][:-1] + "1" for line in lines]
    assert all("seed" not in line["body"] for line in again)
    bring(*map(answered, lines))  # the first file went to the host again, and well this time
    assert bill()[0]["answers"] == 4


def test_an_answer_that_is_refused_is_asked_again_and_put_aside_at_last(
    at: Path, export, bring, command, monkeypatch
) -> None:
    write_recipe(at, url="http://127.0.0.1:9/v1")
    refused = "I'm sorry, but I can't help with that."
    for attempt in range(8):
        lines = export()
        assert {line["body"]["seed"] for line in lines} == {42 + attempt}
        usual = [answered(line) for line in lines[1:]] if not attempt else []
        code, said = bring(answered(lines[0], refused), *usual)
        assert code == 0
        assert "1 are of no use, and asked again: " in said
    assert "1 dialogues are put aside" in said
    assert "nothing is open" in said
    (row,) = files.read_jsonl(at / "runs/r/aside.jsonl")
    assert bill()[0]["wasted"] == 8
    assert (row["id"], "naive" in row["aside"], "8 times" in row["aside"]) == ("d2", True, True)
    assert bill()[0]["answers"] == 3
    monkeypatch.setenv("SOME_KEY", KEY)
    code, said = command("run", "r.yaml", "--until", "teacher", "--set", "teacher.batch=true")  # nobody listens there
    assert code == 0, said
    assert [row["id"] for row in files.read_jsonl(at / "runs/r/teacher.jsonl")] == ["d3", "d4", "d5"]
    assert list(files.read_jsonl(at / "runs/r/aside.jsonl")) == [row]
    (again,) = export()  # anew, as by the next run
    assert again["body"]["seed"] == 42


def test_a_message_that_a_filter_stops_is_put_aside_at_once_and_asked_by_the_next_export(
    at: Path, export, bring
) -> None:
    lines = export(write_recipe(at))
    code, said = bring(_error(lines[0], "Stopped by our content management policy.")[0], *map(answered, lines[1:]))
    assert code == 0
    assert "3 new answers" in said
    assert "1 dialogues are put aside" in said
    assert "content management policy" in said
    assert "nothing is open" in said
    assert export() == lines[:1]


def test_files_that_are_no_results_change_nothing(at: Path, export, bring, command) -> None:
    lines = export(write_recipe(at))
    answers = [*map(answered, lines)]
    whole = json.dumps(answers[1])
    other = [{**answer, "custom_id": "0" * 48 + "-0"} for answer in answers]
    bad: list[tuple[tuple[int, str], str]] = [
        (bring(answers[0], "{no", answers[1]), "a.jsonl:2: not a JSON object"),
        (bring(answers[0], "[1]"), "a.jsonl:2: want a JSON object"),
        (bring(answers[0], "[" * 100_000), "a.jsonl:2: not a JSON object"),
        (bring(answers[0], whole[: len(whole) // 2], end=""), "cut short"),
        (bring(*lines), "it is a question"),
        (bring({"custom_id": "x"}), "neither response nor error"),
        (bring(answers[0], {"response": {}}), "result 2 has no custom_id"),
        (bring("", end=""), "a.jsonl: empty"),
        (bring(*other), "none of the 1 results is of a question that r asks"),
        (command("teacher", "import-batch", "r.yaml", "absent.jsonl"), "absent.jsonl: can't be read"),
    ]
    for (code, said), wanted in bad:
        assert code == 2, said
        assert wanted in said
        assert said.count("empathic: ") == 1
    assert bill() == []
    code, said = bring(*answers, *other)
    assert code == 0
    assert f"1 are no questions of this recipe's, and left out (such as {'0' * 48}-0)" in said
    assert bill()[0]["answers"] == 4


def test_results_of_other_settings_or_another_model_are_told(at: Path, export, bring) -> None:
    answers = [*map(answered, export(write_recipe(at)))]
    write_recipe(at, temperature=0.5)
    code, said = bring(*answers)
    assert code == 2
    assert "other settings" in said
    assert "gpt-4o-2024-08-06" in said
    write_recipe(at)
    for answer in answers:
        answer["response"]["body"]["model"] = "gpt-3.5-turbo"
    assert "they say that they are of gpt-3.5-turbo" in bring(*answers)[1]
