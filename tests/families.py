"""Tiny students of ten families: random weights, a small tokenizer of the family's kind, a template in its shape.

Byte-level ones take the tests' tokenizer with the family's markers added, since the converter knows a byte-level
tokenizer by its tokens alone. The others get a SentencePiece model that is trained on the spot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokens import TOKENIZER, vocabulary

from empathic.student import prompt

DATA = Path(__file__).parents[1] / "empathic" / "data" / "everyday"


@dataclass(frozen=True)
class Family:
    """A family: its model, its markers, how it shows a dialogue, and what has to be done for it."""

    model: str
    template: str | None
    bos: str | None = None
    eos: str | None = None
    markers: tuple[str, ...] = ()
    pieces: bool = False  # SentencePiece
    swallows: bool = False  # markers swallow the blanks after them
    given: str | None = None  # `student.template`
    done: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


def _turns(opens: str, closes: str, before: str = "", assistant: str = "assistant", thinks: str = "") -> str:
    """A template of turns that open with a role and close with a marker."""
    role = f"(m['role'] if m['role'] != 'assistant' else '{assistant}')"
    return (
        f"{before}{{% for m in messages %}}{{{{ '{opens}'.replace('ROLE', {role}) }}}}{thinks}"
        f"{{{{ m['content'] | trim }}}}{{{{ '{closes}' }}}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ '{opens}'.replace('ROLE', '{assistant}') }}}}THINKING{{% endif %}}"
    )


_CHATML = _turns("<|im_start|>ROLE\\n", "<|im_end|>\\n").replace("THINKING", "")
_NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
_GEMMA = _turns("<start_of_turn>ROLE\\n", "<end_of_turn>\\n", assistant="model").replace("THINKING", "")
_GEMMA_FOLDS = (
    "{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}"
    "{% set loop_messages = messages[1:] %}{% else %}{% set first = '' %}{% set loop_messages = messages %}{% endif %}"
)
_MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user and assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
_THOUGHT = "<think>\\n\\n</think>\\n\\n"
_QWEN3 = _turns(
    "<|im_start|>ROLE\\n",
    "<|im_end|>\\n",
    thinks=f"{{% if m['role'] == 'assistant' and loop.last %}}{{{{ '{_THOUGHT}' }}}}{{% endif %}}",
).replace(
    "THINKING",
    f"{{% if enable_thinking is defined and enable_thinking is false %}}{{{{ '{_THOUGHT}' }}}}{{% endif %}}",
)
_PHI = _turns("<|ROLE|>\\n", "<|end|>\\n").replace("THINKING", "") + (
    "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}"
)
_HEADED = _turns("<|start_header_id|>ROLE<|end_header_id|>\\n\\n", "<|eot_id|>", "{{ bos_token }}")
_GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2}
_FOLDED, _QUIET = "the instruction goes into the first message", "thinking is off"
_SLIDES = {"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"], "head_dim": 16}

FAMILIES = {
    "llama-3": Family(
        "llama",
        _HEADED.replace("THINKING", ""),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        markers=("<|start_header_id|>", "<|end_header_id|>"),
    ),
    "mistral": Family(
        "mistral",
        _MISTRAL,
        bos="<s>",
        eos="</s>",
        markers=("[INST]", "[/INST]"),
        pieces=True,
        done=(_FOLDED,),
        settings={"sliding_window": None},
    ),
    "gemma-2": Family(
        "gemma2",
        "{{ bos_token }}" + _NO_SYSTEM + _GEMMA,
        bos="<bos>",
        eos="<eos>",
        markers=("<start_of_turn>", "<end_of_turn>"),
        pieces=True,
        done=(_FOLDED,),
        settings=_SLIDES | {"query_pre_attn_scalar": 16},
    ),
    "gemma-3": Family(
        "gemma3_text",
        "{{ bos_token }}"
        + _GEMMA_FOLDS
        + _GEMMA.replace("in messages", "in loop_messages").replace(
            "{{ m['content'] | trim }}", "{{ (first if loop.first else '') + (m['content'] | trim) }}"
        ),
        bos="<bos>",
        eos="<eos>",
        markers=("<start_of_turn>", "<end_of_turn>"),
        pieces=True,
        settings=_SLIDES | {"query_pre_attn_scalar": 16},
    ),
    "qwen2.5": Family("qwen2", _CHATML, eos="<|im_end|>", markers=("<|im_start|>",)),
    "qwen3": Family(
        "qwen3",
        _QWEN3,
        eos="<|im_end|>",
        markers=("<|im_start|>", "<think>", "</think>"),
        done=(_QUIET,),
        settings={"head_dim": 16},
    ),
    "phi-3": Family(
        "phi3",
        _PHI,
        bos="<s>",
        eos="<|endoftext|>",
        markers=("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        pieces=True,
        swallows=True,
        settings={"num_key_value_heads": 4, "original_max_position_embeddings": 2048, "sliding_window": None},
    ),
    "smollm2": Family("llama", _CHATML, bos="<|im_start|>", eos="<|im_end|>"),
    "gpt-2": Family("gpt2", None, bos="<|endoftext|>", eos="<|endoftext|>", given="plain"),
    "base": Family(
        "llama", None, bos="<s>", eos="</s>", pieces=True, given="plain", done=("every prompt begins with <s>",)
    ),
}
BYTES = [name for name, family in FAMILIES.items() if not family.pieces]


def byte_level(name: str) -> Any:
    """The tokenizer of a byte-level family, with the template that its recipe gives it."""
    family = FAMILIES[name]
    tokenizer = _bytes(family)
    if family.given:
        tokenizer.chat_template = prompt.template(family.given)
    return tokenizer


def make(name: str, folder: Path) -> Path:
    """Write a tiny student of a family as a Hugging Face folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    family = FAMILIES[name]
    folder.mkdir(parents=True)
    tokenizer = _pieces(family, folder) if family.pieces else _bytes(family)
    settings: dict[str, Any] = {
        "vocab_size": vocabulary(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.2,
    }
    if family.model == "gpt2":
        settings |= {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 1024}
    else:
        settings |= {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, **_GROUPED}
        settings |= {"max_position_embeddings": 2048, "tie_word_embeddings": True, **family.settings}
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family.model, **settings))
    spoken = torch.zeros(vocabulary(tokenizer), dtype=torch.bool)
    spoken[list(tokenizer.get_vocab().values())] = True
    model.get_input_embeddings().weight.data[~spoken] = 0.0  # what is no token is never the likeliest
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _bytes(family: Family) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    named = {"bos_token": family.bos, "eos_token": family.eos}
    tokenizer.add_special_tokens({key: token for key, token in named.items() if token})
    tokenizer.add_tokens(list(family.markers), special_tokens=True)
    if family.bos is None:
        tokenizer.bos_token = None
    tokenizer.pad_token = None
    tokenizer.chat_template = family.template
    return tokenizer


def _pieces(family: Family, folder: Path) -> Any:
    """A SentencePiece tokenizer, as `tokenizer.model` and as transformers makes it of that."""
    import sentencepiece
    from transformers import AddedToken, GemmaTokenizer, LlamaTokenizer
    from transformers.convert_slow_tokenizer import generate_merges

    texts = [
        row for path in sorted(DATA.glob("*.jsonl")) for row in path.read_text(encoding="utf-8").splitlines()[:300]
    ]
    gemma = family.model.startswith("gemma")
    ids: dict[str, Any] = (
        {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3} if gemma else {"unk_id": 0, "bos_id": 1, "eos_id": 2}
    )
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(json.loads(text)["utterance"] for text in texts if "utterance" in text),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        add_dummy_prefix=not gemma,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        bos_piece=family.bos,
        eos_piece="</s>" if family.swallows else family.eos,
        user_defined_symbols=[] if family.swallows else list(family.markers),
        minloglevel=2,
        **ids,
    )
    (folder / "tokenizer.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    scores = {pieces.id_to_piece(i): pieces.get_score(i) for i in range(len(pieces)) if not _odd(pieces, i)}
    vocab = {pieces.id_to_piece(i): i for i in range(len(pieces))}
    made = GemmaTokenizer if gemma else LlamaTokenizer
    tokenizer = made(
        vocab=vocab,
        merges=generate_merges(vocab, scores, skip_tokens=vocab.keys() - scores.keys()),
        bos_token=family.bos,
        eos_token=family.eos,
        add_bos_token=not family.swallows,
        **({} if gemma else {"legacy": True}),
    )
    tokenizer.add_tokens(
        [AddedToken(one, rstrip=family.swallows and one != family.eos, normalized=False) for one in family.markers],
        special_tokens=True,
    )
    tokenizer.chat_template = family.template
    return tokenizer


def _odd(pieces: Any, i: int) -> bool:
    """Whether a piece isn't made of others."""
    return bool(pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i))
