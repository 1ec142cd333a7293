"""A batch as a tree: what its rows have in common once, every node with the part of the tree below it.

Nodes stand in depth-first order, so that a node's descendants follow it without a gap. Who sees whom in attention is
then one comparison of numbers, for a dense mask and for FlexAttention's blocks alike.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

_WORTH = 8  # tokens shared beyond the prefix that are worth the larger attention of a forked branch


@dataclass
class PrefixTree:
    """B right-padded rows of up to L tokens as N nodes, those of the prefix first.

    Attributes:
        ids: the nodes' tokens, [1, N]; the nodes of a branch stand together.
        positions: the nodes' positions in their rows, [1, N].
        ends: where each node's descendants end among the nodes, [N].
        prefix_len: P, how many tokens all rows begin with.
        branches: where each branch begins and ends among the nodes.
        paths: every row's nodes.
        nodes: the node that predicts each label, row by row, [K].
        labels: those labels, [1, K].
        mask: where they stand among the rows' shifted labels, [B, L - 1].
    """

    ids: torch.Tensor
    positions: torch.Tensor
    ends: torch.Tensor
    prefix_len: int
    branches: list[tuple[int, int]]
    paths: list[list[int]]
    nodes: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor
    _biases: dict[tuple[int, int | None], torch.Tensor] = field(default_factory=dict)
    _blocks: dict[tuple[int, int | None], BlockMask] = field(default_factory=dict)

    @classmethod
    def of(cls, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> PrefixTree:
        """Fold a batch; all three are [B, L], labels are -100 where no loss is taken."""
        device = input_ids.device
        lengths = attention_mask.sum(1).tolist()
        rows = [row[:length] for row, length in zip(input_ids.tolist(), lengths, strict=True)]
        prefix_len = _common(min(rows), max(rows))
        tokens, positions = list(rows[0][:prefix_len]), list(range(prefix_len))
        ends = [0] * prefix_len
        paths: list[list[int]] = [[] for _ in rows]
        starts: list[int] = []
        before: list[int] = []
        path = list(range(prefix_len))
        for index in sorted(range(len(rows)), key=lambda i: rows[i]):
            row = rows[index]
            shared = _common(before, row)
            if shared < prefix_len + _WORTH:
                shared = prefix_len
                if len(row) > prefix_len:
                    starts.append(len(tokens))
            for node in path[shared:]:
                ends[node] = len(tokens)
            path = path[:shared] + list(range(len(tokens), len(tokens) + len(row) - shared))
            tokens += row[shared:]
            ends += [0] * (len(row) - shared)
            positions += range(shared, len(row))
            paths[index], before = path, row
        mask = labels[:, 1:] != -100
        nodes = [paths[b][t] for b, t in mask.nonzero().tolist()]
        return cls(
            ids=torch.tensor([tokens], device=device),
            positions=torch.tensor([positions], device=device),
            ends=torch.tensor([end or len(tokens) for end in ends], device=device),
            prefix_len=prefix_len,
            branches=list(itertools.pairwise([*starts, len(tokens)])),
            paths=paths,
            nodes=torch.tensor(nodes, dtype=torch.long, device=device),
            labels=labels[:, 1:][mask][None],
            mask=mask,
        )

    def inputs(self) -> dict[str, Any]:
        """What the model is given in the batch's place; it returns states at the labels alone."""
        return {
            "input_ids": self.ids,
            "position_ids": self.positions,
            "attention_mask": self.ids.new_ones(1, 1, 1, 1),  # four axes: taken as it is, no mask is made of it
            "tree": self,
        }

    def descends(self, node: torch.Tensor, other: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Whether a node is below another, or is it; both are numbers of nodes, `ends` is indexed by them."""
        return (other <= node) & (node < ends[other])

    @functools.cached_property
    def is_ancestor(self) -> torch.Tensor:
        """Whether the second node is an ancestor of the first, or is it, [N, N]."""
        node = torch.arange(self.ids.shape[1], device=self.ids.device)
        return self.descends(node[:, None], node[None, :], self.ends)

    def attention_bias(self, branch: int | None, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """What is added to attention scores: 0 where a node may look, -inf elsewhere.

        Args:
            branch: which branch's nodes look, [W, P + W]; None for all nodes, [N, N].
            window: how many positions back they see, where the model's layer slides.
            dtype: that of the scores.
        """
        key = (-1 if branch is None else branch, window)
        if key not in self._biases:
            position, seen = self.positions[0], self.is_ancestor
            if window is not None:
                seen = seen & (position[:, None] - position[None, :] < window)
            if branch is not None:
                start, end = self.branches[branch]
                seen = torch.cat([seen[start:end, : self.prefix_len], seen[start:end, start:end]], 1)
            self._biases[key] = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)
        return self._biases[key]

    def blocks(self, size: int, window: int | None) -> BlockMask:
        """Where nodes may look, for FlexAttention.

        Args:
            size: N or more; a node beyond N sees itself alone.
            window: as `attention_bias` takes it.
        """
        if (size, window) not in self._blocks:
            count, device = self.ids.shape[1], self.ids.device
            ends = torch.cat([self.ends, torch.arange(count + 1, size + 1, device=device)]).int()
            position = torch.cat([self.positions[0], self.positions.new_zeros(size - count)]).int()

            def is_seen(batch: Any, head: Any, node: Any, other: Any) -> Any:
                seen = self.descends(node, other, ends)
                return seen if window is None else seen & (position[node] - position[other] < window)

            self._blocks[size, window] = create_block_mask(is_seen, None, None, size, size, device=device)
        return self._blocks[size, window]


def _common(one: list[int], two: list[int]) -> int:
    """How many tokens two rows begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
