from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from empathic import files, models
from empathic.errors import UserError


def test_a_disk_that_is_too_small_is_refused_before_the_folder_is_there(tmp_path: Path, monkeypatch) -> None:
    asked = []

    def usage(where: Path):
        asked.append(where)
        return shutil._ntuple_diskusage(10**10, 0, 3 * 10**6)  # type: ignore[attr-defined]

    monkeypatch.setattr(shutil, "disk_usage", usage)
    folder = tmp_path / "not" / "yet"
    files.check_room(folder, 3 * 10**6, "the site")
    assert asked == [tmp_path]
    with pytest.raises(UserError, match=r"the site takes 4 MB and 3 MB are free; make room$"):
        files.check_room(folder, 4 * 10**6, "the site")
    with pytest.raises(UserError, match=r"takes 2\.0 GB and 3 MB are free; make room, or name fewer files"):
        files.check_room(folder, 2 * 10**9, "the export", "name fewer files")


def test_the_room_for_models_is_their_files_and_the_wheel_that_is_read() -> None:
    assert models.room([]) == 0
    one, two = models.room(["smollm2-135m"]), models.room(["qwen2.5-coder-0.5b"])
    assert one == pytest.approx(93 * 2.1e6) and two == pytest.approx((491 + 1.1 * 491 / 6) * 1e6)
    assert models.room(["smollm2-135m", "qwen2.5-coder-0.5b"]) == pytest.approx(93 * 2.1e6 + 491e6)


def test_a_file_in_a_folders_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=r"file/out\.json: can't be written"):
        files.write_json(tmp_path / "file" / "out.json", {})


def test_a_disk_that_takes_no_writes_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("open", "mkdir", "unlink"):  # Linux asks whether a disk can be written before what is there
        monkeypatch.setattr(Path, name, fails)
    with pytest.raises(UserError, match=r"out\.json: can't be written \(Read-only file system\)"):
        files.write_json(tmp_path / "out.json", {})


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), files.whole(tmp_path / "out.txt") as part:
        part.write_text("half", encoding="utf-8")
        raise ValueError("mine")
    assert not [*tmp_path.iterdir()]
