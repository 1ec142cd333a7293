"""Parity: the exported file must read the same prompt and give the same replies as the merged model.

A quantised file may flip a word that was nearly a tie, so what is checked at every token of the file's greedy
reply is by how much the merged model would have preferred its own choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from empathic.endpoints.endpoint import Endpoint
from empathic.student import prompt
from empathic.student.load import load_student
from empathic.student.prompt import Message

TOLERANCE = 0.5  # nats by which a quantised file's token may fall short of the merged model's choice


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    `prompts` says whether the prompts' tokens are the same; `identical` is the share of replies that are the same
    to the letter; `worst` the largest shortfall of a token in nats; `n` the number of dialogues.
    """

    prompts: bool
    identical: float
    worst: float
    n: int

    @property
    def holds(self) -> bool:
        """Whether the file can be trusted to answer as the merged model does."""
        return self.prompts and self.worst <= TOLERANCE

    def to_row(self) -> dict[str, Any]:
        """The findings as a plain row, with the verdict."""
        return {**asdict(self), "tolerance": TOLERANCE, "holds": self.holds}


class Served:
    """A GGUF file, served by llama.cpp: how it reads prompts and what it says."""

    def __init__(self, http: Any) -> None:
        self.http = http

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def prompt(self, messages: Sequence[prompt.Message]) -> list[int]:
        """The tokens of a prompt, as the chat API has them: by the template and the tokenizer in the file.

        Where the file says that every text begins with a token, llama.cpp takes it off what the template shows, and
        puts it there itself.
        """
        shown = self._post("/apply-template", {"messages": list(messages)})["prompt"]
        return self.tokens(shown, begins=True)

    def tokens(self, text: str, begins: bool = False) -> list[int]:
        """A text's tokens; markers of the template are the tokens that they stand for.

        Args:
            text: the text.
            begins: whether it begins a prompt, so that the file may put a token before it.
        """
        body = {"content": text, "add_special": begins, "parse_special": True}
        found: list[int] = self._post("/tokenize", body)["tokens"]
        return found

    def counted(self, messages: Sequence[Message]) -> int:
        """How many tokens the chat API itself reads of a prompt."""
        body = {"messages": list(messages), "max_tokens": 1, "temperature": 0}
        return int(self._post("/v1/chat/completions", body)["usage"]["prompt_tokens"])

    def greedy(self, tokens: Sequence[int], most: int) -> list[int]:
        """The reply to a prompt, the likeliest token at each place."""
        body = {"prompt": list(tokens), "n_predict": most, "temperature": 0, "return_tokens": True}
        found: list[int] = self._post("/completion", body)["tokens"]
        return found


@contextmanager
def served(endpoint: Endpoint) -> Iterator[Served]:
    """The file that a local endpoint serves."""
    import httpx2

    with httpx2.Client(base_url=endpoint.urls[0].removesuffix("/v1"), timeout=300, trust_env=False) as http:
        yield Served(http)


def prompt_tokens(tokenizer: Any, asked: Sequence[prompt.Message]) -> list[int]:
    """The tokens of a prompt, by transformers."""
    shown = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(shown, add_special_tokens=False)["input_ids"])


def same_prompts(file: Served, tokenizer: Any, system_prompt: str, utterances: Sequence[str]) -> bool:
    """Whether a file reads every prompt, template and tokens, as transformers does."""
    prompts = (prompt.messages(system_prompt, utterance) for utterance in utterances)
    return all(prompt_tokens(tokenizer, asked) == file.prompt(asked) for asked in prompts)


def check(
    endpoint: Endpoint, folder: Path, system_prompt: str, utterances: Sequence[str], max_tokens: int = 48
) -> Parity:
    """Compare a served GGUF file with the merged model it came from, on a few utterances.

    Args:
        endpoint: the file, served by llama.cpp.
        folder: the merged model as a Hugging Face folder.
        system_prompt: the student's instruction.
        utterances: what to say to both.
        max_tokens: how far each greedy reply is followed.
    """
    import torch

    model, tokenizer = load_student(str(folder))
    identical, worst = 0, 0.0
    with served(endpoint) as file:
        prompts = same_prompts(file, tokenizer, system_prompt, utterances)
        for utterance in utterances:
            asked = prompt.messages(system_prompt, utterance)
            ours = prompt_tokens(tokenizer, asked)
            prompts = prompts and file.counted(asked) == len(ours)
            tokens = file.greedy(ours, max_tokens)
            with torch.inference_mode():
                logps = model(torch.tensor([ours + tokens])).logits[0].log_softmax(-1)[len(ours) - 1 : -1]
            best = logps.max(-1)
            chosen = logps[torch.arange(len(tokens)), torch.tensor(tokens, dtype=torch.long)]
            identical += int(best.indices.tolist() == tokens)
            worst = max(worst, float((best.values - chosen).max()) if tokens else 0.0)
    return Parity(prompts, identical / len(utterances), worst, len(utterances))
