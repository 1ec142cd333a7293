"""Real parts for the tests: a small tokenizer, tiny models made on the spot, and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest
from browser import chromium  # noqa: F401
from fake_vllm import fake_vllm  # noqa: F401
from faulty import faulty  # noqa: F401
from habits import habits  # noqa: F401
from talking import talking  # noqa: F401
from tokens import TOKENIZER, vocabulary

os.environ["HF_HUB_OFFLINE"] = "1"
DATA = Path(os.environ.get("EMPATHIC_DATA") or Path(__file__).parents[2] / "shared" / "data")
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=150)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("fixed")  # one commit, one verdict; `make fuzz` looks further
EMOTIONS = ("sad", "proud", "afraid", "joyful")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a browser, a whole run or a trained scorer by its fixture; one process makes each for all tests.

    What llama.cpp runs is marked as slow too.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "tiny_gguf" in fixtures:
            item.add_marker("slow")
        for fixture, mark in (("chromium", "browser"), ("whole", "slow"), ("scorer", "slow")):
            if fixture in fixtures:
                item.add_marker(mark)
                item.add_marker(pytest.mark.xdist_group(fixture))


@pytest.fixture(autouse=True)
def _no_downloads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the mark `network` there is no model in the cache, and none to be had: no test needs one unawares."""
    if "network" not in request.keywords:
        monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path / "no-models"))
        monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture(scope="session")
def welivita() -> Path:
    """The rated 2,000, where they are."""
    if not (DATA / "welivita_pu_2000.csv").exists():
        pytest.skip("the rated 2,000 are not here; set EMPATHIC_DATA (docs/data.md says where to get them)")
    return DATA


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers, random weights, with the tests' tokenizer, as a Hugging Face folder."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            initializer_range=0.2,
        )
    )
    spoken = torch.zeros(vocabulary(tokenizer), dtype=torch.bool)
    spoken[list(tokenizer.get_vocab().values())] = True
    model.get_input_embeddings().weight.data[~spoken] = 0.0  # what is no token is never the likeliest
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def larger(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of other sizes than `tiny`, with its tokenizer and a shorter context: who can teach it by logits."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    config = LlamaConfig.from_pretrained(tiny)
    torch.manual_seed(1)
    config.update({"hidden_size": 96, "num_hidden_layers": 3, "head_dim": 24, "max_position_embeddings": 1024})
    folder = tmp_path_factory.mktemp("larger")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gguf(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as a GGUF file that answers what judges are asked: an endpoint that costs nothing."""
    import torch

    from empathic.judge.measures import behaviours, levels, pairwise
    from empathic.phone.convert import convert
    from empathic.student.load import load_student

    model, tokenizer = load_student(str(tiny))
    asked = []
    for said in ("I won!", "My dog is gone.", "They put the rent up again, third time this year."):
        for emotion in ("", "sad"):
            about = behaviours.JudgedReply(said, "Oh, how is that for you?", emotion)
            asked += behaviours.requests(about, behaviours.questions()) + levels.requests(about)
        asked.append(pairwise.request(said, about.reply, "Hm."))
    begins = torch.stack([_begins(model, tokenizer, one.messages) for one in asked])
    head = model.get_output_embeddings().weight.detach().clone()
    answers = [tokenizer.convert_tokens_to_ids(word) for word in ("Yes", "No", "A", "B", "0", "1", "2")]
    head[answers] += torch.linalg.lstsq(begins, torch.full((len(begins), 1), 20.0), driver="gelsd").solution[:, 0]
    model.config.tie_word_embeddings = False
    model.set_output_embeddings(torch.nn.Linear(*head.T.shape, bias=False))
    model.get_output_embeddings().weight.data = head
    folder = tmp_path_factory.mktemp("gguf")
    model.save_pretrained(folder / "tiny")
    tokenizer.save_pretrained(folder / "tiny")
    convert(folder / "tiny", folder / "tiny.gguf", "f32")
    return folder / "tiny.gguf"


def _begins(model: Any, tokenizer: Any, messages: list[dict[str, str]]) -> Any:
    """The state at the place where the answer begins."""
    import torch

    shown = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    with torch.inference_mode():
        return model.model(**tokenizer(shown, return_tensors="pt")).last_hidden_state[0, -1].clone()


def _eight(folder: Path) -> Path:
    things = ("kettle", "tractor", "violin", "harbour", "lantern", "bicycle", "orchard", "letter")
    path = folder / "eight.jsonl"
    rows = [
        {
            "id": f"d{i}",
            "emotion": EMOTIONS[i % 4],
            "situation": f"Something happened to my {thing}.",
            "utterance": f"My {thing} is gone and I keep looking at where it was.",
            "replies": {
                "kind": f"That empty place where the {thing} stood must catch your eye.",
                "dull": "Oh well.",
            },
            "split": "test" if i % 2 else "train",
        }
        for i, thing in enumerate(things)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _small(folder: Path, source: Path, tiny: Path, tiny_gguf: Path) -> Path:
    path = folder / "small.yaml"
    path.write_text(
        f"""
name: small
dialogues: {{source: {source.name}}}
method: {{name: direct, teachers: [kind], rejected: [dull]}}
student: {{model: "{tiny}", max_tokens: 12}}
steps:
  - {{name: sft, epochs: 3, learning_rate: 1.0e-3, batch_size: 2, save_steps: 1}}
  - {{name: dpo, epochs: 3, learning_rate: 1.0e-3, batch_size: 2, save_steps: 1}}
judge: [{{name: tiny, endpoint: "local:{tiny_gguf}"}}]
sample: {{systems: {{sft: 2}}, controls: 3}}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    """Eight dialogues with a teacher's and another's reply, four to train on."""
    return _eight(tmp_path)


@pytest.fixture
def recipe_file(tmp_path: Path, eight: Path, tiny: Path, tiny_gguf: Path) -> Path:
    """A whole recipe on the eight dialogues, with the tiny model as student and judge."""
    return _small(tmp_path, eight, tiny, tiny_gguf)


class Whole(NamedTuple):
    """A run that went through undisturbed, its recipe, what it printed, and its seconds. Copy it to change it."""

    run: Path
    recipe: Path
    printed: str
    seconds: float


@pytest.fixture(scope="session")
def whole(tiny: Path, tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """`recipe_file`, run once for all tests."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = _small(folder, _eight(folder), tiny, tiny_gguf)
    started = time.monotonic()
    done = _empathic(folder, ("run", recipe, "--out", folder / "run"), {})
    assert done.returncode == 0, done.stderr
    return Whole(folder / "run", recipe, done.stdout, time.monotonic() - started)


def _empathic(folder: Path, arguments: tuple[Any, ...], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "empathic.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **env},
        timeout=600,
    )


class _Silent:
    """A display that shows nothing."""

    def begin(self, stage: str) -> None: ...

    def step(self, done: int, total: int) -> None: ...

    def end(self, stage: str, about: str, seconds: float, kept: bool) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture
def display() -> _Silent:
    """Where a run tells how far it is, and nobody looks."""
    return _Silent()


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def empathic(tmp_path: Path) -> Command:
    """Run the command line in a process of its own, in an empty folder."""

    def run(*arguments: Any, **env: str) -> subprocess.CompletedProcess[str]:
        return _empathic(tmp_path, arguments, env)

    return run


@pytest.fixture
def refused(empathic: Command) -> Callable[..., str]:
    """Run the command line, expect a user's mistake, and return its one line."""

    def run(*arguments: Any, **env: str) -> str:
        done = empathic(*arguments, **env)
        assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("empathic: ")
        return lines[0]

    return run


@pytest.fixture
def adapter(tiny: Path, tmp_path: Path) -> Path:
    """A LoRA adapter on the tiny model that changes what it says, alone in its folder."""
    import torch
    from peft import LoraConfig, get_peft_model

    from empathic.student.load import load_student

    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(load_student(str(tiny))[0], config)
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.3)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"
