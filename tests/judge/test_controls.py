from __future__ import annotations

from empathic.judge import controls
from empathic.stats.win_rate import win_rate


def test_controls_are_worse_by_construction_and_a_coin_fails_them() -> None:
    replies = ["the dog sleeps by the warm stove now", "nobody came to the hall at all tonight"]
    worse = controls.worse(replies, seed=1)
    assert worse["another"] == replies[::-1]
    assert worse["shuffled"] != replies
    assert [sorted(r.split()) for r in worse["shuffled"]] == [sorted(r.split()) for r in replies]
    assert controls.passes(win_rate("own", "another", "j", [1.0] * 14 + [0.0] * 2))
    assert not controls.passes(win_rate("own", "another", "j", [1.0] * 9 + [0.0] * 7))
