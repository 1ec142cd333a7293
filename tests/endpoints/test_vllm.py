"""vLLM as a server of ours: it comes up, answers, says why it doesn't, and never outlives us. No real one is needed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from empathic import files
from empathic.endpoints import vllm
from empathic.endpoints.chat_api import Answer, Request
from empathic.endpoints.client import ask
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.ledger import Ledger

SAID = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "My kite is gone."}]
MORE = {"top_k": 40, "stop_token_ids": [2]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "model"


def _serve(
    model: Path, told: list[str] | None = None, dtype: str = "float32"
) -> contextlib.AbstractContextManager[Endpoint]:
    said = list[str]() if told is None else told
    return vllm.serve(model, dtype, ["--max-model-len", "4096"], MORE, said.append)


def _answers(endpoint: Endpoint, folder: Path, *limits: int) -> list[Answer]:
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        return list(ask(endpoint, [Request(SAID, limit, 0.8, seed=42) for limit in limits], ledger, "own replies"))


def _gone(folder: Path) -> bool:
    """Whether server and engines are all gone, soon."""
    pids = [int(pid) for pid in (folder / "vllm.pids").read_text(encoding="utf-8").split()]
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        if not [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)]:
            return True
        time.sleep(0.05)
    return False


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1][0] == "Z"
    except OSError:
        return True


def test_it_comes_up_answers_and_is_gone_after_the_block(fake_vllm, model: Path) -> None:
    folder, told = fake_vllm(), list[str]()
    with _serve(model, told) as endpoint:
        whole, cut = _answers(endpoint, folder, 60, 4)
    assert (whole.text, whole.finish) == ("You lost it, and number 42 of my words is for that.", "stop")
    assert cut.finish == "length"
    assert [line for line in told if line.startswith("vLLM is up after")]
    first, _ = files.read_jsonl(folder / "vllm.asked")
    sent = {key: first[key] for key in ("messages", "temperature", "seed", "top_k", "stop_token_ids")}
    assert sent == {"messages": SAID, "temperature": 0.8, "seed": 42, **MORE}
    served = first["serve"]
    assert (served["model"], served["dtype"], served["max_model_len"]) == (str(model), "float32", "4096")
    assert served["host"] == "127.0.0.1" and endpoint.urls == (f"http://127.0.0.1:{served['port']}/v1",)
    assert endpoint.max_connections > 100 and endpoint.capabilities.free
    assert _gone(folder)


def test_the_ledger_knows_the_same_weights_again_and_no_others(fake_vllm, model: Path) -> None:
    folder = fake_vllm()
    for dtype, asked in (("float32", 1), ("float32", 1), ("bfloat16", 2)):
        with _serve(model, dtype=dtype) as endpoint:
            assert len(_answers(endpoint, folder, 60)) == 1
        assert sum(1 for _ in files.read_jsonl(folder / "vllm.asked")) == asked
    (model / "model.safetensors").write_bytes(b"others")
    with _serve(model) as endpoint:
        _answers(endpoint, folder, 60)
    assert sum(1 for _ in files.read_jsonl(folder / "vllm.asked")) == 3


def test_the_first_error_of_one_that_dies_is_told_in_one_line(fake_vllm, model: Path) -> None:
    folder = fake_vllm("dies")
    with pytest.raises(vllm.Failed) as found, _serve(model):
        pass
    line = str(found.value)
    assert "vLLM ended before it was up: ValueError: Free memory on device (1/8 GiB) is too little (all of it" in line
    assert "\n" not in line and str(folder / "model.log") in line
    assert _gone(folder), "its engines, too"


def test_one_that_dies_while_it_is_asked_says_why(fake_vllm, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("empathic.endpoints.backoff.FIRST", 0.01)
    folder = fake_vllm("dies later")
    with pytest.raises(vllm.Failed, match=r"ended while it was asked: torch.OutOfMemoryError"), _serve(model) as up:
        _answers(up, folder, 60)
    assert _gone(folder)


def test_one_that_hangs_is_told_of_and_ended(fake_vllm, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "_UP", 2.0)
    monkeypatch.setattr(vllm, "_TOLD", 0.5)
    folder, told = fake_vllm("hangs"), list[str]()
    with pytest.raises(vllm.Failed, match=r"isn't up after .*last said: Loading safetensors: 50%"), _serve(model, told):
        pass
    assert [line for line in told if line.endswith(" s: Loading safetensors: 50% | 1/2")], told
    assert _gone(folder)


def test_what_it_does_not_take_is_told(fake_vllm, model: Path) -> None:
    fake_vllm()
    with (
        pytest.raises(vllm.Failed, match=r"vllm serve: error: unrecognized arguments: --no-such"),
        vllm.serve(model, "float32", ["--no-such"], {}, print),
    ):
        pass


def test_without_vllm_a_line_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(model))
    assert vllm.command() is None
    with pytest.raises(vllm.Failed, match="pip install vllm"), _serve(model):
        pass


def test_a_folder_of_its_name_is_no_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vllm").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vllm.command() is None


def test_another_server_on_its_port_is_not_taken_for_it(habits) -> None:
    server = habits(lambda asked: None)
    server.models.append("somebody-else")
    port = int(server.url.split(":")[2].split("/")[0])
    assert not vllm._serves(port, "model-1234abcd") and vllm._serves(port, "somebody-else")


def test_an_error_in_the_block_ends_it(fake_vllm, model: Path) -> None:
    folder = fake_vllm()
    with pytest.raises(ZeroDivisionError), _serve(model):
        raise ZeroDivisionError
    assert _gone(folder)


_OURS = """
import sys, time
from pathlib import Path
from empathic.endpoints import vllm
with vllm.serve(Path(sys.argv[1]), "float32", [], {}, lambda line: print(line, flush=True)):
    time.sleep(600)
"""


@pytest.mark.parametrize("with_which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("does", ["serves", "hangs"])
def test_it_ends_with_us_however_we_end(fake_vllm, model: Path, with_which: int, does: str) -> None:
    folder = fake_vllm(does)
    ours = subprocess.Popen([sys.executable, "-c", _OURS, model], stdout=subprocess.PIPE, text=True)
    assert ours.stdout
    until = "vLLM is up" if does == "serves" else "vLLM loads"
    while not (line := ours.stdout.readline()).startswith(until):
        assert line, "it ended by itself"
    while not (folder / "vllm.pids").exists():
        time.sleep(0.05)
    os.kill(ours.pid, with_which)
    assert ours.wait(20) != 0
    ours.stdout.close()
    assert _gone(folder)
