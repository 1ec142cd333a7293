"""Parity: the exported file must read the same prompt and give the same replies as the merged model.

A quantised file may flip a word that was nearly a tie, so what is checked at every token of the file's greedy
reply is by how much the merged model would have preferred its own choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from empathic.endpoints.endpoint import Endpoint
from empathic.student import prompt
from empathic.student.load import load_student

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
    import httpx2
    import torch

    model, tokenizer = load_student(str(folder))
    root = endpoint.urls[0].removesuffix("/v1")
    same_prompts, identical, worst = True, 0, 0.0
    with httpx2.Client(base_url=root, timeout=300) as http:

        def post(path: str, body: dict[str, Any]) -> Any:
            return http.post(path, json=body).raise_for_status().json()

        for utterance in utterances:
            asked = prompt.messages(system_prompt, utterance)
            shown = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
            ours = tokenizer(shown, add_special_tokens=False)["input_ids"]
            theirs_shown = post("/apply-template", {"messages": asked})["prompt"]
            theirs = post("/tokenize", {"content": theirs_shown, "add_special": False, "parse_special": True})
            same_prompts &= ours == theirs["tokens"]
            said = post(
                "/completion",
                {"prompt": ours, "n_predict": max_tokens, "temperature": 0, "return_tokens": True},
            )
            tokens = said["tokens"]
            with torch.inference_mode():
                logps = model(torch.tensor([ours + tokens])).logits[0].log_softmax(-1)[len(ours) - 1 : -1]
            best = logps.max(-1)
            chosen = logps[torch.arange(len(tokens)), torch.tensor(tokens, dtype=torch.long)]
            identical += int(best.indices.tolist() == tokens)
            worst = max(worst, float((best.values - chosen).max()) if tokens else 0.0)
    return Parity(same_prompts, identical / len(utterances), worst, len(utterances))
