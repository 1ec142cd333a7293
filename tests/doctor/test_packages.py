from __future__ import annotations

from importlib import metadata

import pytest

from empathic.doctor import packages
from empathic.errors import UserError

_WANTED = ["rich<2", "no-such-package>1", "tiny-torch>3; extra == 'train'", "pydantic; extra == 'train'"]


def test_where_empathic_is_not_installed_nothing_breaks(monkeypatch) -> None:
    def none(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", none)
    monkeypatch.setattr(metadata, "metadata", none)
    assert packages.needed().mark == packages.training().mark == "mind"
    assert packages.mend("torch") is None
    packages.want_training()


def test_what_this_machine_has_is_what_empathic_names() -> None:
    assert packages.needed().mark == packages.training().mark == "ok"
    packages.want_training()


def test_packages_are_those_that_ours_wants(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: _WANTED)
    found = packages.needed()
    assert found.mark == "fails"
    assert "not <2" in found.what and "no no-such-package" in found.what and "tiny-torch" not in found.what


def test_what_trains_is_an_extra_and_asked_for_by_its_name(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: _WANTED)
    found = packages.training()
    assert (found.mark, found.what.split(";")[0]) == ("mind", "no tiny-torch")
    with pytest.raises(UserError, match=r"no tiny-torch\): pip install 'empathic\[train\]'"):
        packages.want_training()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("scipy.stats", "train"),
        ("torch", "train"),
        ("ray", "ray"),
        ("bitsandbytes", "qlora"),
        ("pyarrow.parquet", "train"),
        ("onnxruntime", "onnx"),
        ("empathic.nothing", ""),
    ],
)
def test_a_module_that_is_not_there_is_told_by_its_extra(module: str, line: str) -> None:
    told = packages.mend(module)
    assert told == (
        f"this takes {module.split('.')[0]}, which isn't here: pip install 'empathic[{line}]'" if line else None
    )
