"""`empathic doctor`, as a person sees it: one line a check, and the exit code."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest
from habits import Habit, Sent, delta, refused, said, streamed

from empathic.cli.main import main


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]):
    """Run the command, and return its exit code and its lines by check; what is printed beside them by "said"."""

    def run(*arguments: str) -> tuple[int, dict[str, str]]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
            raise SystemExit(0)
        out = capsys.readouterr().out
        found = {"said": out}
        for mark, check, what in re.findall(r"^([✓!✗]) (.{18}) (.+)$", out, re.M):
            found[check.strip()] = f"{mark} {what}"
        return int(ended.value.code or 0), found

    return run


def _knows(asked: dict[str, Any], judge: bool = True) -> Sent:
    """A server that can all that is asked of it."""
    last = asked["messages"][-1]["content"]
    if asked.get("stream"):
        return streamed(delta(content="Hello."), delta("stop"), {"choices": [], "usage": {"prompt_tokens": 7}})
    if "Answer yes or no." in last:
        yes = math.log(0.9 if "paws" in json.dumps(asked["messages"][-2:]) + last else 0.1)
        top = [{"token": "Yes", "logprob": yes}, {"token": " no", "logprob": math.log1p(-math.exp(yes))}]
        top += [{"token": f"x{i}", "logprob": -20.0} for i in range(asked.get("top_logprobs", 0) - 2)]
        sent = said("Yes")
        if judge and asked.get("logprobs"):
            sent.body["choices"][0]["logprobs"] = {"content": [{"token": "Yes", "logprob": yes, "top_logprobs": top}]}
        return sent
    if asked["messages"][0]["role"] == "system":
        return said("KIWI")
    if "any number" in last:
        return said(str(1000 + asked.get("seed", 0)))
    return said("That quiet house.")


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return str(match[1])


def _without(name: str, sent: Sent) -> Habit:
    return lambda asked: sent if name in asked else _knows(asked, judge=name != "logprobs")


def test_a_server_that_can_all_of_it(habits, lines) -> None:
    server = habits(_knows)
    server.models += ["m", "other"]
    code, found = lines(server.url, "--model", "m")
    assert code == 0
    assert found["models"] == "✓ it lists m and 1 more"
    assert re.match(r"✓ the first answer came in \d+\.\d s: 'That quiet house.'", found["teacher"])
    assert found["log-probabilities"] == "✓ top_logprobs of 20"
    assert found["judge"].startswith("✓ it prefers a good reply to a bad one")
    assert found["system messages"] == "✓ taken and followed"
    assert found["seed"].startswith("✓ kept")
    assert found["temperature"] == "✓ taken"
    assert found["streaming"] == "✓ taken"
    assert found["refuses"] == "✓ nothing that it was asked with"
    assert re.match(r"✓ \S+ answers a second, 1 at a time; \S+ answers a second, 4 at a time", found["pace"])
    assert found["price"] == "✓ none, on this machine"
    asked = int(_found(r"asked (\d+) short questions", found["said"]))
    assert asked == len(server.asked), "it says beforehand how much it asks"
    assert found["spent"] == f"✓ {100 * (asked - 1) + 7:,} tokens read, {20 * (asked - 1):,} written"


def test_what_it_asks_costs_cents_and_is_kept_nowhere(habits, lines, tmp_path: Path) -> None:
    _, found = lines(habits(_knows).url, "--model", "gpt-4o")
    assert float(_found(r"\$(\S+) at most", found["said"])) <= 0.05
    assert found["price"].startswith("✓ $2.5 a million tokens read, $10 written")
    assert not (Path(os.environ["EMPATHIC_CACHE"])).exists()


@pytest.mark.parametrize(
    ("name", "sent", "check", "says"),
    [
        ("temperature", refused(400, "Unsupported parameter: 'temperature'"), "temperature", "! it takes none"),
        ("seed", refused(400, "Unsupported parameter: 'seed'"), "seed", "! it takes none"),
        ("logprobs", refused(400, "logprobs is not supported"), "log-probabilities", "! none"),
        ("stream", refused(400, "no streams here"), "streaming", r"! none \(400: no streams here\)"),
    ],
)
def test_what_a_server_refuses_is_told_and_fails_nothing(habits, lines, name, sent, check, says) -> None:
    code, found = lines(habits(_without(name, sent)).url, "--model", "m")
    assert code == 0
    assert re.match(says, found[check])
    assert ("takes no" in found["refuses"]) == (name in ("temperature", "seed"))


def test_a_server_that_only_streams(habits, lines) -> None:
    def streams(asked: dict[str, Any]) -> Sent:
        if not asked.get("stream"):
            return refused(400, "This model only supports streaming; set stream to true.")
        plain = _knows({name: value for name, value in asked.items() if name != "stream"})
        choice = plain.body["choices"][0]
        chunk = delta(content=choice["message"]["content"])
        chunk["choices"][0]["logprobs"] = choice.get("logprobs")
        return streamed(chunk, delta("stop"))

    code, found = lines(habits(streams).url, "--model", "m")
    assert (code, found["streaming"]) == (0, "✓ it answers in streams alone, and is read so")


def test_system_messages_that_are_refused(habits, lines) -> None:
    def habit(asked: dict[str, Any]) -> Sent:
        system = any(message["role"] == "system" for message in asked["messages"])
        return refused(400, "System role not supported") if system else _knows(asked)

    code, found = lines(habits(habit).url, "--model", "m")
    assert code == 0
    assert "System role not supported" in found["system messages"]


@pytest.mark.parametrize(
    ("sent", "check", "says"),
    [
        (refused(401, "No such key."), "teacher", r"✗ the server wants a key.*No such key"),
        (refused(404, "model 'm' not found"), "teacher", "✗ the server knows no model 'm'"),
        (said(None, "length", {"reasoning_content": "Hm"}), "teacher", "✗ .*thoughts took all.*; raise max_tokens"),
        (said("", "stop"), "teacher", "✗ it answered with nothing"),
        (refused(402, "Insufficient balance"), "teacher", "✗ the account has no money left"),
        (said("Perhaps."), "judge", "✗ it answers neither yes nor no: 'Perhaps.'"),
        (said("Yes"), "judge", "! it prefers no good reply to a bad one"),
    ],
)
def test_a_server_that_is_of_no_use_is_exit_code_2(habits, lines, sent: Sent, check: str, says: str) -> None:
    code, found = lines(habits(lambda asked: sent).url, "--model", "m")
    assert re.match(says, found[check])
    assert code == (2 if "✗" in says else 0)


def test_no_server_is_exit_code_2(lines, monkeypatch) -> None:
    monkeypatch.setattr("empathic.endpoints.backoff.FIRST", 0.01)
    code, found = lines("http://127.0.0.1:9/v1")
    assert (code, found["teacher"][:30]) == (2, "✗ the server can't be reached;")
    code, found = lines("http:///v1")
    assert code == 2
    assert "not an address" in found["endpoint"]


def test_a_model_is_chosen_for_nobody_who_has_a_choice(habits, lines) -> None:
    server = habits(lambda asked: _knows(asked) if asked["model"] == "only" else refused(404, "model not found"))
    server.models += ["only"]
    code, found = lines(server.url)
    assert (code, found["models"]) == (0, "! only, which is asked here; name it: model: only")
    server.models += ["one", "two"]
    code, found = lines(server.url)
    assert (code, found["models"][:46]) == (2, "! none is named; it lists only, one, two; name")
    _, found = lines(server.url, "--model", "onyl")
    assert "did you mean only?" in found["models"]


@pytest.mark.parametrize("key", ["“sk-secret-key”", "sk-secret-key\n", "sk-secret key"])
def test_a_broken_key_is_told_and_never_shown(habits, lines, monkeypatch, key: str) -> None:
    monkeypatch.setenv("K", key)
    server = habits(_knows)
    code, found = lines(server.url, "--model", "m", "--key-env", "K")
    assert (code, server.asked) == (2, [])
    assert "the key in K holds" in found["endpoint"]
    assert "secret" not in found["said"]


def test_a_whole_key_is_not_shown_either(habits, lines, monkeypatch) -> None:
    monkeypatch.setenv("K", "sk-secret-key")
    server = habits(
        lambda asked: refused(400, "Your key sk-secret-key may not stream") if "stream" in asked else _knows(asked)
    )
    code, found = lines(server.url, "--model", "m", "--key-env", "K")
    assert (code, found["key"]) == (0, "✓ K is whole")
    assert "secret" not in found["said"]


def test_without_an_endpoint_this_machine_is_looked_at(lines) -> None:
    code, found = lines()
    assert code == 0
    assert {"Python", "packages", "training", "torch", "GPU", "cache", "disk", "git", "chromium"} < found.keys()
    assert "teacher" not in found


def test_a_recipe_names_all_that_is_looked_at(habits, lines, tmp_path: Path) -> None:
    server = habits(_knows)
    server.models += ["m"]
    (tmp_path / "r.yaml").write_text(
        f"teacher: {{endpoint: {server.url}, model: m, prices: [1, 2]}}\n"
        f"judge: [{{name: a, endpoint: {server.url}, model: m}}, {{name: b, endpoint: 'local:qwen2.5-coder-0.5b'}}]\n"
        "student: {model: smollm2-135m}\n",
        encoding="utf-8",
    )
    code, found = lines(str(tmp_path / "r.yaml"))
    assert code == 0
    assert f"{server.url} m, as teacher and judge" in found["said"]
    assert found["price"].startswith("✓ $1 a million")
    assert found["student"].startswith("! smollm2-135m isn't here yet (93 MB)")
    assert found["model"] == "! qwen2.5-coder-0.5b isn't here yet (491 MB); empathic models pull qwen2.5-coder-0.5b"
    assert "qwen2.5-coder-0.5b are still to be fetched" in found["disk"]


def test_a_recipe_brings_its_own_models(refused, tmp_path: Path) -> None:
    assert "a recipe names its own" in refused("doctor", "demo", "--model", "m")
    assert "did you mean 'demo'" in refused("doctor", "dmeo")
