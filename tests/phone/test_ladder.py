from __future__ import annotations

import pytest

from empathic.errors import UserError
from empathic.phone import ladder
from empathic.phone.ladder import Shape

SMOL = Shape(layers=30, tied=True, query_groups=3)


@pytest.mark.parametrize(
    ("quant", "name", "columns", "matrix", "want"),
    [
        ("q8_0", "blk.0.attn_q.weight", 576, False, "Q8_0"),
        ("q6_k", "blk.0.attn_q.weight", 576, False, "Q8_0"),
        ("q6_k", "blk.0.attn_q.weight", 1024, False, "Q6_K"),
        ("q4_k_m", "blk.0.attn_q.weight", 576, False, "Q5_0"),
        ("q4_k_m", "blk.0.attn_q.weight", 1024, False, "Q4_K"),
        ("q4_k_m", "blk.0.attn_v.weight", 1024, False, "Q6_K"),
        ("q4_k_m", "blk.4.attn_v.weight", 1024, False, "Q4_K"),
        ("q4_k_m", "blk.5.ffn_down.weight", 1536, False, "Q6_K"),
        ("q4_0", "token_embd.weight", 576, False, "Q8_0"),
        ("q4_0", "token_embd.weight", 1024, False, "Q6_K"),
        ("q4_0", "blk.2.ffn_down.weight", 1536, False, "Q4_0"),
        ("q4_0", "blk.2.ffn_down.weight", 1536, True, "Q4_1"),
        ("q4_0", "blk.3.ffn_down.weight", 1536, True, "Q4_0"),
        ("iq4_nl", "blk.2.ffn_down.weight", 1536, False, "Q5_K"),
        ("iq4_nl", "blk.2.ffn_down.weight", 1536, True, "IQ4_NL"),
        ("q5_1", "blk.0.ffn_up.weight", 40, False, "F16"),
        ("q4_0", "blk.0.attn_norm.weight", 576, False, None),
        ("q4_0", "blk.0.attn_q.bias", 576, False, None),
    ],
)
def test_tensors_get_the_type_that_llama_quantize_gives_them(
    quant: str, name: str, columns: int, matrix: bool, want: str | None
) -> None:
    assert ladder.tensor_type(quant, name, columns, SMOL, matrix) == want


def test_embeddings_of_their_own_are_quantised_as_all_else() -> None:
    untied = Shape(layers=2, tied=False)
    assert ladder.tensor_type("q4_0", "token_embd.weight", 1024, untied, False) == "Q4_0"
    assert ladder.tensor_type("q4_0", "output.weight", 1024, untied, False) == "Q6_K"


def test_a_file_is_named_by_what_most_of_its_weights_are() -> None:
    smol = {"Q8_0": 0.222, "Q6_K": 0.092, "Q5_0": 0.581, "Q4_K": 0.105}
    assert ladder.fell_back("q4_k_m", smol) == pytest.approx(0.803)
    assert ladder.honest_name("q4_k_m", smol) == "q5_0-for-q4_k_m"
    assert ladder.bar(ladder.became("q4_k_m", smol)) == ladder.BARS[5]
    assert ladder.honest_name("q4_0", {"Q8_0": 0.211, "Q4_0": 0.789}) == "q4_0"


def test_bars_get_stricter_with_bits() -> None:
    bars = [ladder.BARS[bits] for bits in sorted(ladder.BARS)]
    assert [bar.kl for bar in bars] == sorted((bar.kl for bar in bars), reverse=True)
    assert [bar.top1 for bar in bars] == sorted(bar.top1 for bar in bars)
    assert all(ladder.bar(name) for name in ladder.QUANTS)


def test_quants_come_in_the_ladders_order_and_unknown_ones_are_refused() -> None:
    assert ladder.chosen(["q4_0", "Q8_0"]) == ["q8_0", "q4_0"]
    assert ladder.chosen(None) == list(ladder.QUANTS)
    with pytest.raises(UserError, match="--quant q3_k: no such quant"):
        ladder.chosen(["q3_k"])
