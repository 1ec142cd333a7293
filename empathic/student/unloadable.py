"""What keeps a model or an adapter from being loaded, in a line to its user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

from empathic import models
from empathic.errors import UserError

_RAISED = (OSError, ValueError, KeyError, RuntimeError, ImportError)  # by the libraries, of whatever is wrong


@contextmanager
def model(name: str, of: str | None = None, key: str = "student.model") -> Iterator[None]:
    """What the libraries raise of a model, or of the base `name` of the adapter `of`.

    Raises:
        UserError: says what is wrong, under the recipe's key that names the model.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, EOFError, UnpicklingError) as error:
        if _in_writing(error):
            raise
        raise UserError(f"{key}: {_damaged(name)}") from error
    except _RAISED as error:
        gone = _means_folder(name) and not Path(name).exists()
        home = ", and ~ stands for nothing here" if name.startswith("~") else ""
        why = f"no such folder{home}" if gone else _why(error)
        if of:
            raise UserError(
                f"{key}: {of} is an adapter for {name}, which can't be loaded ({why}); put it there, or mend "
                "base_model_name_or_path in adapter_config.json"
            ) from error
        if gone:
            raise UserError(f"{key}: {name}: {why}; put it there, or name another model") from error
        hub = models.on_hub(name)
        raise UserError(
            f"{key}: {name} can't be loaded ({why}); "
            + (
                hub.access
                if hub
                else f"known: {', '.join(models.KNOWN)}, or give a .gguf file, a folder, or a Hugging Face id"
            )
        ) from error


@contextmanager
def adapter(folder: Path) -> Iterator[None]:
    """What the libraries raise where an adapter is put on its base.

    Raises:
        UserError: says what is wrong, and in which file as far as that is known.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, EOFError, UnpicklingError) as error:
        raise UserError(_damaged(str(folder))) from error
    except _RAISED as error:
        if "out of memory" in str(error):
            raise
        none = not any(folder.glob("adapter_model.*"))
        raise UserError(
            f"{folder}: the adapter can't be put on its base ({'it has no weights' if none else _why(error)}); "
            "put back the files that were there when it was trained, or train it anew"
        ) from error


def _in_writing(error: Exception) -> bool:
    """Whether safetensors couldn't write, as to a full disk: that is no fault of what was read."""
    return "while serializing" in str(error)


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _means_folder(name: str) -> bool:
    """Whether a name is a path's: no id on the Hugging Face hub begins so, or has more than one `/`."""
    return Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or name.endswith(os.sep)


def _damaged(name: str) -> str:
    """Which file is cut short or damaged, and what mends it: the folder where none is found to be."""
    if models.is_file(name):  # what was read is its copy in the cache
        kept = models.cache() / "dequantised"
        folders = [path for path in kept.iterdir() if _torn(path)] if kept.is_dir() else []
        where = ", ".join(map(str, folders)) or str(kept)
        return f"{where} is cut short or damaged; delete it, and the same command makes it anew from {name}"
    return f"{_torn(Path(name)) or name} is cut short or damaged; put the whole file back, or make or fetch it anew"


def _torn(folder: Path) -> Path | None:
    """The first file of weights whose header can't be read, or promises more than the file has."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "numpy"):
                pass
        except (SafetensorError, OSError):
            return path
    return None
