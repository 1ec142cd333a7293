from __future__ import annotations

import pytest

from empathic.text import length


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("That's a pity - really.", 4),
        ("no way " * 50, 100),
        ("那个安静的家一定很难回去。", 6),
        ("そのしずけさ", 3),
        ("집이 조용하겠네요.", 2),
        ("我 love 你", 2),
        ("ความเงียบนั้น", 4),
    ],
)
def test_words_are_counted_where_no_spaces_part_them_too(text: str, words: int) -> None:
    assert length(text) == words
