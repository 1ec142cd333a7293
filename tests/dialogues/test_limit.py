"""A sample of a side: of the size asked for, in order, and held by every larger one."""

from __future__ import annotations

from collections.abc import Iterator

from empathic.dialogues import limit, sources
from empathic.dialogues.dialogue import Dialogue
from empathic.recipe.sections import Dialogues


def _stream(n: int = 100) -> Iterator[Dialogue]:
    for i in range(n):
        yield Dialogue(id=f"d{i}", utterance="Oh.", split=("train", "test", "validation")[i % 3])


def _ids(most: dict[str, int], n: int = 100, seed: int = 0) -> list[str]:
    return [d.id for d in limit.limited(lambda: _stream(n), most, seed)]


def test_a_side_is_cut_and_the_others_are_whole() -> None:
    kept = _ids({"train": 10})
    assert sum(int(id[1:]) % 3 == 0 for id in kept) == 10
    assert sum(int(id[1:]) % 3 == 1 for id in kept) == 33
    assert kept == sorted(kept, key=lambda id: int(id[1:]))


def test_a_larger_sample_holds_a_smaller_one_and_another_seed_draws_others() -> None:
    small, large = set(_ids({"train": 5, "test": 4})), set(_ids({"train": 9, "test": 8}))
    assert small < large
    assert small != set(_ids({"train": 5, "test": 4}, seed=1))
    assert len(_ids({"train": 500})) == 100, "as many as there are"


def test_a_sample_of_everyday_is_what_the_recipe_asks_for() -> None:
    found = sources.load_dialogues(Dialogues(limit={"train": 40, "test": 8}), 42)
    sides = [d.split for d in found]
    assert (sides.count("train"), sides.count("test")) == (40, 8)
