"""The folder of an export: what isn't ours stays, and all is made on the disk that it goes to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.errors import UserError
from empathic.phone import place


def _made(work: Path, name: str) -> Path:
    """An export of one file."""
    ready = work / "ready"
    files.write_text(ready / "merged" / "README.md", name)
    files.write_text(ready / name, name)
    files.write_json(ready / "export.json", {"rows": [{"file": name}], "recommended": name})
    return ready


def test_a_folder_of_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for kept in ("README.md", "merged/notes.txt", "export.json"):
        files.write_text(tmp_path / kept, "{}")
    for ours, line in ((None, "an export's; .*--out"), (lambda folder: False, "a site's; .*--out")):
        with pytest.raises(UserError, match=f"holds other files than {line}"), place.workplace(tmp_path, ours):
            pass
    assert {path.name for path in tmp_path.rglob("*")} == {"README.md", "merged", "notes.txt", "export.json"}


def test_an_export_takes_an_earlier_ones_place(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    for name in ("a.gguf", "b.gguf"):
        with place.workplace(folder) as work:
            place.move(_made(work, name), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["b.gguf", "export.json", "merged"]
    assert (folder / "merged" / "README.md").read_text(encoding="utf-8") == "b.gguf"


def test_all_is_made_and_measured_on_the_folders_own_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "disk"
    (folder / "lost+found").mkdir(parents=True)
    asked: list[Path] = []

    def usage(where: Any) -> Any:
        asked.append(Path(where))
        return shutil._ntuple_diskusage(10**9, 0, 10**9)  # type: ignore[attr-defined]

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with place.workplace(folder) as work:
        place.check_room(folder, 10, ["f16"], 0)
        assert work.parent == folder == asked[0]


@pytest.mark.parametrize("stuck", ["b.gguf", "merged"])
def test_files_of_before_stay_where_the_move_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: str) -> None:
    with place.workplace(tmp_path) as work:
        place.move(_made(work, "a.gguf"), tmp_path)
    moved = Path.replace

    def fails(part: Path, to: Path) -> Path:
        if part.name == stuck:
            raise OSError(18, "Invalid cross-device link")
        return moved(part, to)

    with pytest.raises(UserError, match="Invalid cross-device link"), place.workplace(tmp_path) as work:
        ready = _made(work, "b.gguf")
        monkeypatch.setattr(Path, "replace", fails)
        place.move(ready, tmp_path)
    assert (tmp_path / "a.gguf").exists() and (tmp_path / "export.json").exists()
    assert (tmp_path / "merged" / "README.md").read_text(encoding="utf-8") == "a.gguf"


def test_replies_of_an_earlier_exports_files_go_with_them(tmp_path: Path) -> None:
    for _ in range(2):
        with place.workplace(tmp_path) as work:
            place.move(_made(work, "a.gguf"), tmp_path)
        assert not (tmp_path / "replies").exists()
        files.write_text(tmp_path / "replies" / "a.jsonl", "{}")


def test_a_new_folder_goes_where_nothing_was_made(tmp_path: Path) -> None:
    with pytest.raises(UserError), place.workplace(tmp_path / "out"):
        raise UserError("no")
    assert not (tmp_path / "out").exists()
