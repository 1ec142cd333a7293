"""The quants that an export offers, which type each tensor gets, and what a file has to reach.

The types are chosen as `llama_tensor_get_type` of llama.cpp's `src/llama-quant.cpp` does for these quants and models of
one expert, so that a file is the same as `llama-quantize` would make.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from empathic.errors import UserError


@dataclass(frozen=True)
class Quant:
    """A quant of llama.cpp.

    Attributes:
        ftype: its `LLAMA_FTYPE`, for `general.file_type`.
        meant: the types that it means to use, the one of most weights first. Any other type of a matrix is a fallback:
            rows have to be divisible into blocks, of 256 weights for the types that end in K.
        most: bits that a weight takes on average, at most, for the forecast of room on disk.
        heeds: whether an importance matrix changes anything.
    """

    ftype: int
    meant: tuple[str, ...]
    most: float
    heeds: bool = True


QUANTS = {
    "f16": Quant(1, ("F16",), 16.1, heeds=False),
    "q8_0": Quant(7, ("Q8_0",), 8.6, heeds=False),
    "q6_k": Quant(18, ("Q6_K",), 8.6),
    "q5_1": Quant(9, ("Q5_1", "Q6_K"), 7.0),
    "q5_0": Quant(8, ("Q5_0", "Q5_1", "Q6_K"), 6.7),
    "q4_k_m": Quant(15, ("Q4_K", "Q5_K", "Q6_K"), 6.7),
    "q4_0": Quant(2, ("Q4_0", "Q4_1", "Q6_K"), 6.0),
    "iq4_nl": Quant(25, ("IQ4_NL", "Q5_K", "Q6_K"), 6.0),
}
_BY_TYPE = {quant.meant[0]: name for name, quant in QUANTS.items()}
_BLOCK = 32  # weights of a row that share a scale, but for the types that end in K
_LONG_BLOCK = 256
_FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_KEPT = re.compile(
    r"_norm\.weight|ffn_gate_inp|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv\.conv|time_mix_|"
    r"position_embd|token_types|attn_rel_b"
)
_PLACE = re.compile(r"blk\.(\d+)\.(attn_v|attn_qkv|ffn_down)\.weight")


@dataclass(frozen=True)
class Shape:
    """What of a model decides about types.

    Attributes:
        layers: how many it has.
        tied: whether the embeddings are the output's weights too.
        query_groups: query heads for each head of keys and values.
    """

    layers: int
    tied: bool
    query_groups: int = 1


@dataclass(frozen=True)
class Bar:
    """What parity asks of a file: at most this mean KL in nats, at least this share of tokens with one top-1."""

    kl: float
    top1: float


BARS = {  # by the bits of the type that most weights have
    16: Bar(0.001, 0.99),
    8: Bar(0.01, 0.94),
    6: Bar(0.02, 0.93),
    5: Bar(0.03, 0.92),
    4: Bar(0.05, 0.90),
}


def chosen(names: Sequence[str] | None) -> list[str]:
    """The quants to write, in the ladder's order; all of them where none is named.

    Raises:
        UserError: one that isn't known.
    """
    wanted = [name.lower() for name in names or QUANTS]
    for name in wanted:
        if name not in QUANTS:
            raise UserError(f"--quant {name}: no such quant here; want {', '.join(QUANTS)}")
    return [name for name in QUANTS if name in wanted]


def tensor_type(quant: str, name: str, columns: int, of: Shape, matrix: bool) -> str | None:
    """The type that a matrix gets; None for one that stays as it is.

    Args:
        quant: a name in `QUANTS`.
        name: the tensor's name in the file.
        columns: how long its rows are.
        of: the model.
        matrix: whether there is an importance matrix; with one, some quants choose otherwise.
    """
    if not name.endswith("weight") or _KEPT.search(name):
        return None
    wanted = _wanted(quant, name, of, matrix)
    if wanted.endswith("_K") and columns % _LONG_BLOCK:
        wanted = _FALLBACK[wanted]
    return "F16" if columns % _BLOCK else wanted


def _wanted(quant: str, name: str, of: Shape, matrix: bool) -> str:
    """The type that llama.cpp would choose if rows were long enough."""
    default = QUANTS[quant].meant[0]
    if quant in ("f16", "q8_0"):
        return default
    if name == "output.weight" or (of.tied and name == "token_embd.weight"):
        return "Q6_K"
    place = _PLACE.fullmatch(name)
    if not place:
        return default
    layer, part = int(place[1]), place[2]
    eighth = of.layers // 8
    if quant == "q4_k_m":
        if part == "attn_qkv":
            return "Q5_K"
        more = layer < eighth or layer >= 7 * of.layers // 8 or (layer - eighth) % 3 == 2
        return "Q6_K" if more else default
    if quant == "iq4_nl" and part != "ffn_down" and of.query_groups >= 4:
        return "Q5_K"
    if part == "ffn_down" and layer < eighth:
        with_or_without = {("q4_0", True): "Q4_1", ("q5_0", True): "Q5_1", ("iq4_nl", False): "Q5_K"}
        return with_or_without.get((quant, matrix), default)
    return default


def fell_back(quant: str, shares: dict[str, float]) -> float:
    """The share of weights whose type isn't one that the quant means to use.

    Args:
        quant: what was asked for.
        shares: the share of weights by type, as a file has them.
    """
    return sum(share for kind, share in shares.items() if kind not in QUANTS[quant].meant)


def became(quant: str, shares: dict[str, float]) -> str:
    """The quant that most of a file's weights are of, where most fell back; else the one that was asked for."""
    if fell_back(quant, shares) <= 0.5:
        return quant
    most = max(shares, key=shares.__getitem__)
    return _BY_TYPE.get(most, most.lower())


def honest_name(quant: str, shares: dict[str, float]) -> str:
    """What a file is called: the quant asked for, or what most weights are instead, as in `q5_0-for-q4_k_m`."""
    really = became(quant, shares)
    return quant if really == quant else f"{really}-for-{quant}"


def bar(quant: str) -> Bar:
    """What a file of a quant has to reach, by its bits."""
    bits = next(int(digits) for digits in re.findall(r"\d+", quant))
    return BARS[bits]
