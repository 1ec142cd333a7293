"""Which attention backend of PyTorch gives gradients that are not finite, under the mask of a shared-prefix tree?

    python benchmarks/gpu/attention.py

A row a shape: nodes N, the scale of queries and keys (Qwen2's are large, for its attention biases), the type; for each
backend and each value that masks, which of output and gradients are not finite. On an H200 with PyTorch 2.11 cuDNN
failed alone: gradients of queries, bfloat16, N = 1,088, scale 12 and 40, whatever value masks (docs/log.md).
"""

from __future__ import annotations

import itertools

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

NODES, SCALES = (1088, 1083, 700), (1.0, 12.0, 40.0)
HEADS, KEY_HEADS, WIDTH = 14, 2, 64
MASKING = (-torch.inf, torch.finfo(torch.bfloat16).min / 2, -1e4)
BACKENDS = (SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)


def tree(nodes: int, trunk: int = 40, branch: int = 60) -> torch.Tensor:
    """Where a node may look, [N, N]: at the trunk, and at its own branch up to itself."""
    seen = torch.zeros(nodes, nodes, dtype=torch.bool)
    seen[:, :trunk] = True
    for start in range(trunk, nodes, branch):
        seen[start : start + branch, start : start + branch] = True
    return seen & torch.ones_like(seen).tril()


def broken(backend: SDPBackend, parts: list[torch.Tensor], bias: torch.Tensor) -> str:
    """Which of output and gradients are not finite."""
    query, key, value = (part.clone().requires_grad_() for part in parts)
    repeats = HEADS // KEY_HEADS
    keys, values = (part.repeat_interleave(repeats, 1) for part in (key, value))
    try:
        with sdpa_kernel(backend):
            out = scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=WIDTH**-0.5)
        out.float().square().mean().backward()
    except RuntimeError:
        return "not available"
    named = {"out": out, "dq": query.grad, "dk": key.grad, "dv": value.grad}
    return "+".join(name for name, found in named.items() if not found.isfinite().all()) or "ok"


def main() -> None:
    """Print the table."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for nodes, scale, dtype in itertools.product(NODES, SCALES, (torch.bfloat16, torch.float32)):
        torch.manual_seed(0)
        sizes = ((HEADS, scale), (KEY_HEADS, scale), (KEY_HEADS, 1.0))
        parts = [torch.randn(1, heads, nodes, WIDTH, device=device, dtype=dtype) * by for heads, by in sizes]
        seen = tree(nodes).to(device)
        for low in MASKING:
            bias = torch.zeros(nodes, nodes, device=device, dtype=dtype).masked_fill_(~seen, low)
            found = {backend.name.split("_")[0].lower(): broken(backend, parts, bias) for backend in BACKENDS}
            print(nodes, scale, str(dtype).removeprefix("torch."), f"{low:.0e}", found, flush=True)


if __name__ == "__main__":
    main()
