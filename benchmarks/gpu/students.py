"""Train students on corpora and have them reply, a job a process: what a lent GPU is given.

    python benchmarks/gpu/students.py JOBS.json NAME OUT      # one job's steps, in order, into OUT/NAME

Needs torch, transformers and peft alone, so that it runs on a bare image. JOBS.json: NAME -> {"model": FOLDER, "seed":
0, "steps": [...]}, steps by what they do:

    {"do": "sft", "rows": [FILE, ...], "rank": 8, "lr": 4e-4, "epochs": 2, "batch": 16, "val": FILE}
    {"do": "own", "rows": FILE, "as": NAME}                    a sampled reply to each message, as pairs for dpo
    {"do": "dpo", "pairs": [FILE, ...], "lr": 1e-5, "batch": 16, "beta": 3, "sft": 0.3}
    {"do": "load", "adapter": FOLDER}   {"do": "save", "as": NAME}
    {"do": "reply", "prompts": FILE, "as": NAME, "k": 1, "temperature": 0}

Rows are {"id", "messages"}, the last message being the reply to learn; pairs {"messages", "chosen", "rejected"};
prompts {"id", "messages"}. Float32 with TF32 products: robust, and fast enough for students below 2B.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
END = "<|im_end|>"
TOLD = (Path(__file__).parents[2] / "empathic/student/prompts/brief.txt").read_text(encoding="utf-8").strip()
Ids = tuple[list[int], list[int]]  # of a prompt and of a reply, its end of turn included
Row = dict[str, Any]

torch.backends.cuda.matmul.allow_tf32 = True


def read(paths: str | list[str]) -> list[Row]:
    """The rows of one or several JSONL files."""
    files = [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]


class Job:
    """One student, and what is done with it."""

    def __init__(self, model: str, out: Path, seed: int = 0) -> None:
        self.out, self.seed = out, seed
        out.mkdir(parents=True, exist_ok=True)
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).to(DEVICE)
        self.end = self.tokenizer.convert_tokens_to_ids(END)

    def log(self, *what: object) -> None:
        """Keep a line, with the time in seconds."""
        with (self.out / "log.txt").open("a", encoding="utf-8") as file:
            print(f"{time.monotonic():.1f}", *what, file=file)

    def prompt(self, messages: list[Row]) -> str:
        """The text that asks for a reply."""
        told = [{"role": "system", "content": TOLD}, *messages]
        return self.tokenizer.apply_chat_template(told, tokenize=False, add_generation_prompt=True)

    def ids(self, messages: list[Row], reply: str) -> Ids:
        """The tokens of a prompt and of the reply to it."""
        asked = self.tokenizer(self.prompt(messages), add_special_tokens=False)["input_ids"]
        return asked, self.tokenizer(reply + END, add_special_tokens=False)["input_ids"]

    def log_probs(self, batch: list[Ids]) -> tuple[torch.Tensor, torch.Tensor]:
        """The replies' summed log-probabilities and their tokens, [B] each; the head sees replies alone."""
        width = max(len(asked) + len(said) for asked, said in batch)
        tokens = torch.full((len(batch), width), self.end)
        seen, labels = torch.zeros_like(tokens), torch.full_like(tokens, -100)
        for row, (asked, said) in enumerate(batch):
            tokens[row, : len(asked) + len(said)] = torch.tensor(asked + said)
            seen[row, : len(asked) + len(said)] = 1
            labels[row, len(asked) : len(asked) + len(said)] = torch.tensor(said)
        base = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        hidden = base.model(input_ids=tokens.to(DEVICE), attention_mask=seen.to(DEVICE), use_cache=False)[0][:, :-1]
        labels = labels[:, 1:].to(DEVICE)
        at = labels != -100
        each = -cross_entropy(base.lm_head(hidden[at]), labels[at], reduction="none")
        rows = at.nonzero()[:, 0]
        return each.new_zeros(len(batch)).index_add(0, rows, each), at.sum(1)

    def descend(self, count: int, batch: int, epochs: int, lr: float, loss_of: Any) -> None:
        """Go down `loss_of(indices)` over shuffled batches, the rate falling to nothing.

        Raises:
            SystemExit: a gradient that is not finite.
        """
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimiser = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0)
        steps, done = math.ceil(count / batch) * epochs, 0
        for epoch in range(epochs):
            order = random.Random(f"{self.seed} {epoch}").sample(range(count), count)
            self.model.train()
            losses = []
            for start in range(0, count, batch):
                for group in optimiser.param_groups:
                    group["lr"] = lr * min(1.0, 30 * (done + 1) / steps) * (steps - done) / steps
                loss = loss_of(order[start : start + batch])
                loss.backward()
                if not torch.nn.utils.clip_grad_norm_(weights, 1.0).isfinite():
                    raise SystemExit(f"the gradient is not finite at step {done + 1}")
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                losses.append(loss.detach())
                done += 1
            self.log("epoch", epoch + 1, "loss", round(torch.stack(losses).mean().item(), 4))

    def sft(self, rows: list[str], rank: int, lr: float, epochs: int, batch: int, val: str, n: int = 0) -> None:
        """Fine-tune on replies, nats a token; a LoRA adapter is made where there is none yet."""
        if not isinstance(self.model, PeftModel):
            torch.manual_seed(self.seed)
            config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
            self.model = get_peft_model(self.model, config)
        found = read(rows)
        found = random.Random(self.seed).sample(found, n) if n else found
        data = [self.ids(row["messages"][:-1], row["messages"][-1]["content"]) for row in found]

        def loss_of(at: list[int]) -> torch.Tensor:
            total, tokens = self.log_probs([data[i] for i in at])
            return -total.sum() / tokens.sum()

        self.log("val before", self.nats(val))
        self.descend(len(data), batch, epochs, lr, loss_of)
        self.log("val after", self.nats(val))

    @torch.no_grad()
    def nats(self, path: str, batch: int = 32) -> float:
        """Nats a token that the replies of a file cost."""
        self.model.eval()
        data = [self.ids(row["messages"][:-1], row["messages"][-1]["content"]) for row in read(path)]
        found = [self.log_probs(data[start : start + batch]) for start in range(0, len(data), batch)]
        return round(-sum(t.sum().item() for t, _ in found) / sum(n.sum().item() for _, n in found), 4)

    def dpo(self, pairs: list[str], lr: float, batch: int, beta: float, sft: float, epochs: int = 1) -> None:
        """DPO on log-probabilities a token (`sigmoid_norm`), with a share of SFT on the chosen reply."""
        rows = read([str(self.out / path) if (self.out / path).exists() else path for path in pairs])
        data = [
            reply
            for r in rows
            for reply in (self.ids(r["messages"], r["chosen"]), self.ids(r["messages"], r["rejected"]))
        ]
        self.model.eval()
        with torch.no_grad():
            parts = [self.log_probs(data[start : start + 32]) for start in range(0, len(data), 32)]
        reference = torch.cat([total / tokens for total, tokens in parts]).view(-1, 2)

        def loss_of(at: list[int]) -> torch.Tensor:
            total, tokens = self.log_probs([data[2 * i + side] for i in at for side in (0, 1)])
            mean = (total / tokens).view(-1, 2)
            margin = (mean - reference[at]) @ mean.new_tensor([1.0, -1.0])
            return -logsigmoid(beta * margin).mean() - sft * mean[:, 0].mean()

        self.descend(len(rows), batch, epochs, lr, loss_of)

    @torch.no_grad()
    def replies(self, asked: list[list[Row]], temperature: float, batch: int = 320, longest: int = 96) -> list[str]:
        """A reply to each list of messages; `[cut]` ends one that didn't end."""
        self.model.eval()
        self.tokenizer.padding_side = "left"
        order = sorted(range(len(asked)), key=lambda i: -len(asked[i][-1]["content"]))
        how = {"do_sample": True, "temperature": temperature, "top_p": 0.95} if temperature else {"do_sample": False}
        said = [""] * len(asked)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            texts = [self.prompt(asked[i]) for i in part]
            inputs = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(DEVICE)
            out = self.model.generate(
                **inputs, max_new_tokens=longest, eos_token_id=self.end, pad_token_id=self.end, **how
            )
            for i, row in zip(part, out[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
                ended = self.end in row
                text = self.tokenizer.decode(row[: row.index(self.end)] if ended else row, skip_special_tokens=True)
                said[i] = text.strip() + ("" if ended else " [cut]")
        return said

    def write(self, name: str, rows: list[Row]) -> None:
        """Write rows into the job's folder."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.out / f"{name}.jsonl").write_text(text, encoding="utf-8")

    def reply(self, prompts: str, name: str, k: int = 1, temperature: float = 0.0) -> None:
        """Reply to every prompt of a file, `k` times."""
        torch.manual_seed(self.seed)
        rows = [row for row in read(prompts) for _ in range(k)]
        said = self.replies([row["messages"] for row in rows], temperature)
        self.write(
            name,
            [
                {"id": row["id"], "k": i % k, "reply": text}
                for i, (row, text) in enumerate(zip(rows, said, strict=True))
            ],
        )

    def own(self, rows: str, name: str, temperature: float = 1.0) -> None:
        """Pairs that prefer the corpus's reply to one of the student's own."""
        found = read(rows)
        said = self.replies([row["messages"][:-1] for row in found], temperature)
        pairs = [
            {
                "id": row["id"],
                "messages": row["messages"][:-1],
                "chosen": row["messages"][-1]["content"],
                "rejected": text,
            }
            for row, text in zip(found, said, strict=True)
        ]
        self.write(name, [pair for pair in pairs if pair["rejected"] not in ("", pair["chosen"])])

    def load(self, adapter: str) -> None:
        """Go on from an adapter."""
        self.model = PeftModel.from_pretrained(self.model, adapter, is_trainable=True)

    def save(self, name: str) -> None:
        """Write the adapter in bfloat16: half the size, no loss that could be read."""
        self.model.save_pretrained(str(self.out / name))
        file = self.out / name / "adapter_model.safetensors"
        weights = {key: weight.to(torch.bfloat16).contiguous() for key, weight in load_file(str(file)).items()}
        save_file(weights, str(file), metadata={"format": "pt"})


def main() -> None:
    """Do one job's steps."""
    jobs, name, out = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2], Path(sys.argv[3])
    job = Job(jobs[name]["model"], out / name, jobs[name].get("seed", 0))
    for step in jobs[name]["steps"]:
        settings = {("name" if key == "as" else key): value for key, value in step.items() if key != "do"}
        started = time.monotonic()
        getattr(job, step["do"])(**settings)
        job.log("did", step["do"], f"{time.monotonic() - started:.1f} s")
    (job.out / "done").touch()


if __name__ == "__main__":
    main()
