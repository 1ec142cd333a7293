"""The packages that empathic names: whether they are there, and which extra brings those that aren't.

Talking with a student needs few; what trains one takes some 2 GB and is an extra, so that a phone's or a server's
install stays small.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING

from empathic.doctor.finding import Finding, fails, mind, ok
from empathic.errors import UserError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

TRAIN = "train"
_NAME = "empathic"
_COMES_WITH = {  # packages that one of ours brings along
    "pyarrow": "datasets",
    "huggingface-hub": "transformers",
    "safetensors": "transformers",
    "tokenizers": "transformers",
    "accelerate": "trl",
}


def needed() -> Finding:
    """Whether the packages that everybody needs are there, in the versions that empathic wants."""
    try:
        amiss = lacking()
    except metadata.PackageNotFoundError:
        return mind("packages", "empathic runs from a folder and isn't installed", "pip install -e .")
    if amiss:
        return fails("packages", ", ".join(amiss), "pip install 'empathic' anew mends it")
    return ok("packages", _shown("pydantic", "openai", "xllamacpp"))


def training() -> Finding:
    """Whether what trains, converts and judges is there too."""
    try:
        amiss = lacking(TRAIN)
    except metadata.PackageNotFoundError:
        return mind("training", "not known, since empathic isn't installed", f"pip install -e '.[{TRAIN}]'")
    if amiss:
        return mind(
            "training",
            f"{_few(amiss)}; chat, serve and web need none of it",
            f"to train, export or judge: pip install 'empathic[{TRAIN}]'",
        )
    return ok("training", _shown("transformers", "trl", "peft"))


def want_training() -> None:
    """Make sure that what trains is there, before anything is asked or paid.

    Raises:
        UserError: a package is missing, or of another version than empathic wants.
    """
    try:
        amiss = lacking(TRAIN)
    except metadata.PackageNotFoundError:
        return
    if amiss:
        raise UserError(f"this takes packages that aren't here ({_few(amiss)}): pip install 'empathic[{TRAIN}]'")


def mend(module: str) -> str | None:
    """What brings a module that isn't there: a line for its user, or None where no extra of ours has it."""
    with suppress(metadata.PackageNotFoundError):
        return _mend(module.split(".")[0].replace("_", "-"))
    return None


def _mend(root: str) -> str | None:
    for extra in metadata.metadata(_NAME).get_all("Provides-Extra") or ():
        if any(one.name == _COMES_WITH.get(root, root) for one in required(extra)):
            return f"this takes {root}, which isn't here: pip install '{_NAME}[{extra}]'"
    return None


def lacking(extra: str = "") -> list[str]:
    """Each package that is missing, or of a version that empathic doesn't take, in words.

    Args:
        extra: whose packages; "" is what everybody needs.

    Raises:
        importlib.metadata.PackageNotFoundError: empathic itself isn't installed.
    """
    amiss = []
    for one in required(extra):
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            amiss.append(f"no {one.name}")
            continue
        if not one.specifier.contains(version, prereleases=True):
            amiss.append(f"{one.name} {version}, not {one.specifier}")
    return amiss


def required(extra: str) -> list[Requirement]:
    """What an extra asks for beside what everybody needs; "" is that.

    Raises:
        importlib.metadata.PackageNotFoundError: empathic itself isn't installed.
    """
    from packaging.requirements import Requirement

    every = [one for line in metadata.requires(_NAME) or () if (one := Requirement(line)).name != _NAME]
    plain = [one for one in every if one.marker is None or one.marker.evaluate({"extra": ""})]
    if not extra:
        return plain
    return [one for one in every if one not in plain and one.marker and one.marker.evaluate({"extra": extra})]


def _few(amiss: list[str]) -> str:
    """What is amiss, shortened."""
    return ", ".join(amiss if len(amiss) < 4 else [*amiss[:3], "…"])


def _shown(*names: str) -> str:
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)
