from __future__ import annotations

import pytest
import torch

from empathic.student.kernels import tree_attention
from empathic.student.kernels.prefix_tree import PrefixTree


def _tree(rows: list[list[int]], labels_from: int = 1) -> PrefixTree:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :labels_from] = -100
    return PrefixTree.of(ids, mask, labels)


def test_a_tree_holds_what_rows_share_once() -> None:
    asked, others = list(range(100, 120)), list(range(200, 220))
    tree = _tree([[1, 2, *asked, 5], [1, 2, *others, 6, 7], [1, 2, *asked, 8, 9, 10]], labels_from=3)
    assert tree.prefix_len == 2
    assert tree.ids.shape[1] == 2 + (20 + 1 + 3) + (20 + 2)
    assert len(tree.branches) == 2
    assert tree.labels[0].tolist() == [*asked[1:], 5, *others[1:], 6, 7, *asked[1:], 8, 9, 10]
    for path, row in zip(tree.paths, [[1, 2, *asked, 5], [1, 2, *others, 6, 7]], strict=False):
        assert tree.ids[0, path].tolist() == row
        assert tree.positions[0, path].tolist() == list(range(len(row)))
    assert int(tree.is_ancestor.sum(1).max()) == 2 + 20 + 3


@pytest.mark.parametrize(
    "rows",
    [[[1, 2, 3], [4, 5, 6]], [[1, 2, 3]], [[1, 2, 3], [1, 2, 3]], [[1, 2], [1, 2, 3]]],
    ids=["no common prefix", "one row", "equal rows", "a row that is another's prefix"],
)
def test_odd_batches_fold_too(rows: list[list[int]]) -> None:
    tree = _tree(rows)
    assert [tree.ids[0, path].tolist() for path in tree.paths] == rows
    assert tree.labels[0].tolist() == [token for row in rows for token in row[1:]]


def _drawn(seed: int) -> list[list[int]]:
    """Rows that share a prefix of some length, prompts, and here and there whole rows."""
    dice = torch.Generator().manual_seed(seed)

    def words(most: int) -> list[int]:
        return torch.randint(1, 4, (int(torch.randint(0, most, (1,), generator=dice)),), generator=dice).tolist()

    told, prompts = words(30), [words(40) for _ in range(3)]
    return [[1, *told, *prompts[i % 3], *words(20), 5] for i in range(9)]


@pytest.mark.parametrize("seed", range(20))
def test_a_node_descends_from_those_that_stand_before_it_in_a_row(seed: int) -> None:
    tree = _tree(_drawn(seed))
    size = tree.ids.shape[1]
    want = torch.zeros(size, size, dtype=torch.bool)
    for path in tree.paths:
        for at, node in enumerate(path):
            want[node, path[: at + 1]] = True
    assert torch.equal(tree.is_ancestor, want)


@pytest.mark.parametrize("window", [None, 7])
def test_blocks_say_what_the_dense_mask_says(window: int | None) -> None:
    tree = _tree([[1, *range(10, 310), *row * 3] for row in _drawn(3)])
    size = tree.ids.shape[1]
    assert size > 128, "more than one block"
    whole = tree_attention.bucket(size) + 128
    blocks = tree.blocks(whole, window)
    node = torch.arange(whole)
    seen = blocks.mask_mod(torch.tensor(0), torch.tensor(0), node[:, None], node[None, :])
    dense = tree.attention_bias(None, window, torch.float32) == 0
    assert torch.equal(seen[:size, :size], dense)
    assert torch.equal(seen[size:], torch.eye(whole, dtype=torch.bool)[size:]), "a node that is none sees itself alone"
    assert not seen[:size, size:].any()
    tiles = seen.unfold(0, 128, 128).unfold(1, 128, 128)
    some, every = tiles.flatten(2).any(-1), tiles.flatten(2).all(-1)
    assert torch.equal(blocks.to_dense()[0, 0].bool(), some)
    assert int(blocks.full_kv_num_blocks.sum()) == int(every.sum())
    assert window or int(every.sum()), "a block that is seen whole runs without a mask"
