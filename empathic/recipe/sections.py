"""The sections of a recipe but its steps, which `steps` has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from empathic import models
from empathic.recipe.steps import Section


class Dialogues(Section):
    """Where the dialogues come from and how they are split."""

    source: str = "everyday"
    split: str = Field("source", description="source (the source's own) | paper | random | a file of test ids")
    test_share: float = Field(0.125, gt=0, lt=1, description="share of test dialogues in a random split")
    limit: dict[Literal["train", "test"], Annotated[int, Field(ge=1)]] = Field(
        {},
        description="the most dialogues of a side, drawn by the seed: {train: 800, test: 128}",
    )
    columns: dict[str, str] = Field({}, description="field: column, where a file names them otherwise")

    @field_validator("split")
    @classmethod
    def _renamed(cls, split: str) -> str:
        return "source" if split == "own" else split  # its name in recipes of before


class Method(Section):
    """How replies become a corpus."""

    name: Literal["direct", "human-improved", "llm-improved"] = "direct"
    teachers: list[str] = Field(["targeted"], min_length=1, description="origins of the replies to learn from")
    rejected: list[str] = Field(
        ["human"],
        min_length=1,
        description="sources of the rejected reply; with several, each dialogue gets one at random, in equal shares",
    )
    situations: bool = Field(
        False, description="SFT also on the situation as the message, with the same reply: twice the examples"
    )


class Corpus(Section):
    """What of the replies is learnt."""

    safety_filter: bool = Field(
        True,
        description="leave out messages that the safety gate takes for a crisis, and replies to learn or to prefer "
        "that claim to be human, to feel or to have a life, or do harm; false learns all, as the paper did",
    )


class Filters(Section):
    """Which of a live teacher's replies are kept; by default all that could be cleaned."""

    words: list[int] | None = Field(None, min_length=2, max_length=2, description="fewest and most words")
    stock_phrases: bool = Field(True, description="false drops replies that hold a stock phrase")
    relevant: bool = Field(False, description="true drops replies without a content word of their dialogue")
    overlap: float | None = Field(
        None, ge=0, le=1, description="drops replies that share more of their five-word phrases with an earlier one"
    )


class Teacher(Section):
    """The large model that is asked live; without an endpoint its replies are recorded and come with the dialogues."""

    endpoint: str | None = Field(None, description="local:NAME, local:FILE.gguf, or a server's base URL")
    model: str | None = None
    key_env: str | None = Field(None, description="the environment variable that holds the key")
    temperature: float | None = Field(1.0, ge=0, description="null leaves it to the server")
    max_tokens: int = Field(256, ge=1, description="of an answer, and of its thoughts where the model thinks first")
    extra_body: dict[str, Any] = Field(
        {}, description="what else a server wants in a request, as {reasoning_effort: low}"
    )
    prompts: dict[str, str] = Field({}, description="strategy: a file with other words for it")
    best_of: int = Field(1, ge=1, le=16, description="samples a dialogue, of which the ranker keeps the best")
    filters: Filters = Filters()
    max_connections: int = Field(32, ge=1, description="requests at a time, at most; fewer where the server slows down")
    timeout: float = Field(60.0, gt=0, description="seconds that an answer may take")
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    batch: bool = Field(False, description="ask by OpenAI's Batch API, at half the price, within a day")
    budget: float | None = Field(None, gt=0, description="US dollars that the ledger's answers of this model may cost")
    prices: list[float] | None = Field(
        None, min_length=2, max_length=2, description="US dollars for a million tokens: read, written"
    )


class Student(Section):
    """The small model, what it is told, and how it answers."""

    model: str = Field(
        "smollm2-135m",
        description="a known model (`empathic models`), a .gguf file, a folder, or a Hugging Face id",
    )
    prompt: str = Field("brief", description="brief | full | a file")
    template: str | None = Field(None, description="a Jinja chat template's file, for models without one")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of its weights; auto: bfloat16 on a GPU that has it, else float32; adapters stay in float32",
    )
    load_in_4bit: bool = Field(
        False, description="linear layers in 4 bits while it is trained and scores (QLoRA): a GPU, and empathic[qlora]"
    )
    max_tokens: int = Field(128, ge=1)
    temperature: float = Field(0.0, ge=0)
    engine: Literal["auto", "llama.cpp", "vllm"] = Field(
        "auto",
        description="what replies: llama.cpp, from the file that ships, or vllm, from the merged weights in `dtype`; "
        "auto: vllm for replies to learn from where it is here with a GPU, else llama.cpp",
    )

    @field_validator("model")
    @classmethod
    def _of_the_hub(cls, name: str) -> str:
        return models.hub_id(name)


class Kernels(Section):
    """What makes training cheap without changing it: true, false (as TRL and PEFT run it), or auto (where it can)."""

    prefix_sharing: bool | Literal["auto"] = Field("auto", description="run once what examples of a batch share")
    flex_attention: bool | Literal["auto"] = Field(
        "auto", description="on a GPU, attend to what is shared by blocks (FlexAttention)"
    )
    lm_head: bool | Literal["auto"] = Field("auto", description="score labels in one pass over the vocabulary")
    lora: bool | Literal["auto"] = Field("auto", description="add LoRA's product in place")
    norms: bool | Literal["auto"] = Field("auto", description="norms and gates in fewer passes over memory")
    matmul: bool | Literal["auto"] = Field("auto", description="multiply by oneDNN where it is exact")


class Judge(Section):
    """An endpoint that answers questions about replies."""

    name: str = Field("qwen", description="its name in the results")
    endpoint: str = "local:qwen2.5-coder-1.5b"
    model: str | None = None
    key_env: str | None = None
    extra_body: dict[str, Any] = Field({}, description="what else the server wants in a request")
    questions: str | None = Field(None, description="a file of other questions about one reply; null: ours")
    pairwise: bool = Field(False, description="also ask which of two replies is better, in both orders")
    levels: bool = Field(False, description="also ask for EPITOME's levels of three behaviours")


class Phone(Section):
    """The files that ship; the first quant is the one that is judged."""

    quants: list[Literal["q8_0", "f16", "f32"]] = Field(["q8_0"], min_length=1)


class Sample(Section):
    """On how many test dialogues systems are judged; null is all of them."""

    systems: dict[str, int | None] = Field(
        {},
        description="system: dialogues; those not named: all for base and the last step, 32 for steps between them",
    )
    references: dict[str, int | None] | None = Field(
        None,
        description="known replies to judge the last step against, by origin; "
        "null: people's (human) and recorded teachers', 32 each, where test dialogues have them",
    )
    controls: int = Field(16, description="dialogues on which the judges themselves are tested")
