"""Which engine replies, and what vLLM is told so that it draws and stops as llama.cpp does."""

from __future__ import annotations

from pathlib import Path

import pytest

from empathic import files
from empathic.endpoints import vllm
from empathic.errors import UserError
from empathic.recipe.sections import Student
from empathic.student import engine, load


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch):
    """Say what is here."""

    def are(installed: bool, gpu: bool) -> None:
        monkeypatch.setattr(vllm, "command", lambda: ["vllm"] if installed else None)
        monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: gpu)

    return are


@pytest.mark.parametrize(
    ("chosen", "installed", "gpu", "learns_from", "judged"),
    [
        ("auto", True, True, "vLLM, bfloat16", "llama.cpp"),
        ("auto", True, False, "llama.cpp", "llama.cpp"),
        ("auto", False, True, "llama.cpp", "llama.cpp"),
        ("llama.cpp", True, True, "llama.cpp", "llama.cpp"),
        ("vllm", True, True, "vLLM, bfloat16", "vLLM, bfloat16"),
        ("vllm", True, False, "vLLM, float32", "vLLM, float32"),
    ],
)
def test_replies_that_are_judged_are_of_the_file_unless_vllm_is_named(
    here, chosen: str, installed: bool, gpu: bool, learns_from: str, judged: str
) -> None:
    here(installed, gpu)
    student = Student(engine=chosen)
    assert (engine.told(student, own=True), engine.told(student, own=False)) == (learns_from, judged)
    engine.check(student)


def test_vllm_that_is_not_here_is_refused_where_it_is_named(here) -> None:
    here(False, True)
    engine.check(Student())
    with pytest.raises(UserError, match=r"student\.engine: vllm isn't here; pip install vllm"):
        engine.check(Student(engine="vllm"))


def test_it_draws_as_llama_cpp_does_with_the_file_and_stops_where_a_reply_was_learnt_to_end(
    tiny: Path, tmp_path: Path
) -> None:
    import xllamacpp

    load.merge(str(tiny), None, None, tmp_path / "whole")
    ours, tokenizer = xllamacpp.CommonParams().sampling, load.load_tokenizer(str(tiny))[0]
    asked = engine._asked(tmp_path / "whole")
    assert {key: asked[key] for key in engine._SAMPLING} == pytest.approx(
        {"top_k": ours.top_k, "top_p": ours.top_p, "min_p": ours.min_p}
    )
    assert tokenizer.convert_ids_to_tokens(asked["stop_token_ids"]) == ["<|im_end|>"]
    path = tmp_path / "whole" / "generation_config.json"
    files.write_json(path, {**files.read_json(path), "top_p": 0.8, "repetition_penalty": 1.1})
    found = engine._asked(tmp_path / "whole")
    assert found == {**asked, "top_p": 0.8}, "the file that ships holds the one and not the other"


@pytest.mark.parametrize("gpu", [True, False])
def test_it_leaves_memory_to_what_is_there(monkeypatch: pytest.MonkeyPatch, here, gpu: bool) -> None:
    here(True, gpu)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (40e9, 80e9))
    assert engine._room()[:2] == (
        ["--gpu-memory-utilization", "0.45"] if gpu else ["--enforce-eager", "--kv-cache-memory-bytes"]
    )
