from __future__ import annotations

from empathic.report import groups


def _verdicts(outcomes: list[float]) -> list[dict[str, object]]:
    return [
        {"id": f"d{i}", "a": "dpo", "b": "base", "outcomes": {"behaviours": won, "agreed": 0.5}}
        for i, won in enumerate(outcomes)
    ]


def test_emotions_with_few_dialogues_are_put_together() -> None:
    verdicts = _verdicts([1, 1, 1, 1, 0, 0, 0, 0.5])
    emotions = {f"d{i}": name for i, name in enumerate(["sad"] * 4 + ["proud"] * 2 + ["afraid", ""])}
    rows = groups.by_emotion(verdicts, emotions)
    assert [(row["group"], row["measure"], row["estimate"], row["n"]) for row in rows] == [
        ("sad", "behaviours", 1.0, 4),
        ("sad", "agreed", 0.5, 4),
        (groups.OTHERS, "behaviours", 0.125, 4),
        (groups.OTHERS, "agreed", 0.5, 4),
    ]
    assert groups.by_emotion(verdicts, dict.fromkeys(emotions, "")) == [], "no emotions are known"


def test_messages_are_split_into_thirds_by_their_words() -> None:
    verdicts = _verdicts([1, 1, 1, 0, 0, 0, 0.5, 0.5, 0.5])
    said = {f"d{i}": " ".join(["word"] * (i + 1)) for i in range(9)}
    rows = [row for row in groups.by_length(verdicts, said) if row["measure"] == "behaviours"]
    assert [(row["group"], row["estimate"], row["n"]) for row in rows] == [
        ("up to 3 words", 1.0, 3),
        ("4 to 6 words", 0.0, 3),
        ("more than 6 words", 0.5, 3),
    ]
    alike = groups.by_length(verdicts, dict.fromkeys(said, "all of one length"))
    assert {row["group"] for row in alike} == {"up to 4 words"}
    assert groups.by_length([], {}) == []
