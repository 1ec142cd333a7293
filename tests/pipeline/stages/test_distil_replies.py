"""Which examples get a reply of the student's own, and with which seeds they are sampled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empathic.pipeline.stages.distil_replies import on_policy


@given(st.integers(0, 300), st.floats(0, 1))
def test_the_share_is_met_as_near_as_whole_numbers_come(count: int, share: float) -> None:
    found = on_policy(count, share, "42 distil own")
    assert len(set(found)) == len(found) and all(0 <= place < count for place in found)
    assert abs(len(found) - share * count) <= 0.5
    assert found == sorted(found)


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (1.0, 40), (0.25, 10)])
def test_a_seed_decides_who(share: float, size: int) -> None:
    one, two = (on_policy(40, share, seed) for seed in ("1", "2"))
    assert len(one) == size and one == on_policy(40, share, "1")
    assert (one != two) == (0 < share < 1)
