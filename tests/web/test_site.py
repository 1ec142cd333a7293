"""What `empathic web` writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from empathic import files
from empathic.conversation.speaker import Sampling
from empathic.errors import UserError
from empathic.safety import replies
from empathic.web import npm, site
from empathic.web.student import Student, student


@pytest.fixture
def written(tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Write a site of the tiny model in parts of 100 kB; wllama, which is fetched elsewhere, is left out."""

    def unpack(package: npm.Package, folder: Path, log: Any) -> None:
        for place in package.wanted.values():
            files.write_text(folder / place, package.name)

    monkeypatch.setattr(npm, "unpack", unpack)
    monkeypatch.setattr(site, "PART", 100_000)

    def build() -> Path:
        site.build(Student("tiny", tiny_gguf, "Be kind.", Sampling(8, 0.0, 0), 512), tmp_path / "site", "GB")
        return tmp_path / "site"

    return build


def test_the_parts_are_the_file_and_the_page_is_whole(written: Callable[[], Path], tiny_gguf: Path) -> None:
    folder = written()
    about = json.loads((folder / "student.json").read_text(encoding="utf-8"))
    parts = [(folder / part["file"]).read_bytes() for part in about["parts"]]
    assert len(parts) > 1 and b"".join(parts) == tiny_gguf.read_bytes()
    assert [part["sha256"] for part in about["parts"]] == [hashlib.sha256(part).hexdigest() for part in parts]
    assert about["told"] == "Be kind." and about["country"] == "GB" and about["bytes"] == tiny_gguf.stat().st_size
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "{{" not in html and "connect-src 'self'" in html
    assert escape(replies.package().disclosure()) in html
    worker = (folder / "worker.js").read_text(encoding="utf-8")
    kept = json.loads(worker.split("FILES = ")[1].split(";\n")[0])
    assert "./" in kept and "gate/gate.json" in kept and "wllama/wllama.js" in kept
    either = json.loads(worker.split("EITHER = ")[1].split(";")[0])
    assert "wllama/compat.js" in either and not {*kept} & {*either}
    assert all((folder / name).exists() for name in (*kept, *either))


def test_a_new_site_takes_an_earlier_ones_place(written: Callable[[], Path]) -> None:
    folder = written()
    (folder / "model" / "old.bin").write_bytes(b"old")
    (folder / "main.js").write_text("changed")
    first = (folder / "worker.js").read_text(encoding="utf-8")
    written()
    assert not (folder / "model" / "old.bin").exists()
    assert (folder / "worker.js").read_text(encoding="utf-8") == first
    assert (folder / "main.js").read_text(encoding="utf-8") != "changed"


def test_a_folder_of_somebody_elses_is_left_alone(written: Callable[[], Path], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "student.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds other files than a site's; .*--out"):
        written()
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["student.json"]


def test_no_room_is_noticed_before_anything_is_written(
    written: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda where: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="MB are free; make room"):
        written()
    assert not (tmp_path / "site").exists()


def test_without_a_network_nothing_is_written(tiny_gguf: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    said = refused("web", "--model", tiny_gguf, "--out", tmp_path / "s", npm_config_registry="http://127.0.0.1:9")
    assert "wllama 3" in said and "check the network" in said
    assert not (tmp_path / "s").exists()


def test_mistakes_are_told_in_one_line(refused: Callable[..., str], tiny_gguf: Path, tmp_path: Path) -> None:
    assert "name a run, or a .gguf file" in refused("web", "--out", tmp_path / "s")
    assert "no such model" in refused("web", "--model", "smolm2-135m", "--out", tmp_path / "s")
    assert "--out" in refused("web", "--model", tiny_gguf)
    assert "no help lines" in refused("web", "--model", tiny_gguf, "--out", tmp_path / "s", "--country", "ZZ")
    (tmp_path / "torn.gguf").write_bytes(tiny_gguf.read_bytes()[:5000])
    assert "torn.gguf: " in refused("web", "--model", tmp_path / "torn.gguf", "--out", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_an_adapter_is_no_student(refused: Callable[..., str], tmp_path: Path) -> None:
    packed = resources.files("empathic") / "data" / "students" / "qwen2.5-coder-1.5b-everyday.gguf"
    assert "an adapter, not a model; give the merged file" in refused("web", "--model", packed, "--out", tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_a_run_gives_its_file_and_its_instruction(whole: Any, tiny_gguf: Path, tmp_path: Path) -> None:
    found = student(whole.run, None, None)
    assert found.path.name.startswith("dpo-") and found.told and found.sampling.max_tokens == 12
    assert student(whole.run, "base", str(tiny_gguf)).path == tiny_gguf
    shutil.copytree(whole.run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "phone")
    with pytest.raises(UserError, match="go on with the run up to its stage phone"):
        student(tmp_path / "run", None, None)
    with pytest.raises(UserError, match="no such system"):
        student(whole.run, "sftt", None)
