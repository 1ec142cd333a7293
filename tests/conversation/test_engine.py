from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from empathic.conversation.engine import Engine
from empathic.errors import UserError


def _damaged(data: bytes) -> dict[str, bytes]:
    """A file damaged in the ways that downloads and disks damage it."""
    found = {
        "nothing but its mark": data[:4] + bytes(100),
        "a version that is to come": data[:4] + struct.pack("<I", 99) + data[8:],
        "more tensors than there can be": data[:8] + struct.pack("<Q", 2**60) + data[16:],
        "more keys than there can be": data[:16] + struct.pack("<Q", 2**60) + data[24:],
        "no keys": data[:24],
        "half": data[: len(data) // 2],
        "without its last bytes": data[:-100],
    }
    for seed in range(4):
        dice, head = random.Random(seed), bytearray(data)
        for _ in range(20):
            head[dice.randrange(24, 4000)] = dice.randrange(256)
        found[f"bytes of its head changed, {seed}"] = bytes(head)
    return found


def test_a_damaged_file_is_a_line_and_never_a_crash(tiny_gguf: Path, tmp_path: Path) -> None:
    for how, data in _damaged(tiny_gguf.read_bytes()).items():
        path = tmp_path / "damaged.gguf"
        path.write_bytes(data)
        with pytest.raises(UserError, match="is the file whole"):
            Engine(path, 1)
            pytest.fail(how)


def test_long_messages_are_counted_and_not_remembered(engine: Engine) -> None:
    short, long = ({"role": "user", "content": "word " * words} for words in (20, 1000))
    before = engine._remembered.cache_info().currsize
    assert engine.length(long) > 900
    assert engine._remembered.cache_info().currsize == before
    assert engine.length(short) < 100
    assert engine._remembered.cache_info().currsize == before + 1
