"""This machine: Python and packages, the GPU, the cache and its room, programs. Asks nobody."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from empathic import files, models
from empathic.doctor import packages
from empathic.doctor.finding import Finding, fails, mind, ok
from empathic.student import placement

_MEGA = 1_000_000
_PROGRAMS = {
    "git": "runs note no revision of the code without it; install git",
    "chromium": "only browser tests want it; Debian: apt-get install chromium",
}


def examine(names: Collection[str] = ()) -> Iterator[Finding]:
    """Every check of this machine.

    Args:
        names: known models that are wanted; none means any of them may be.
    """
    yield python()
    yield packages.needed()
    yield packages.training()
    if importlib.util.find_spec("torch"):
        yield from gpu()
    yield cache()
    yield room(names)
    yield from programs()


def python() -> Finding:
    """The interpreter."""
    return ok("Python", f"{platform.python_version()}, {platform.machine()}, {platform.system()}")


def gpu() -> Iterator[Finding]:
    """What torch was built for, and whether it uses the GPU that is there."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield fails("torch", f"can't be loaded ({' '.join(str(error).split())[:200]})", "install it anew")
        return
    cuda, hip = torch.version.cuda, getattr(torch.version, "hip", None)
    build = f"built for CUDA {cuda}" if cuda else f"built for ROCm {hip}" if hip else "built for the CPU"
    used = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda or hip else []
    yield from told(torch.__version__, build, bool(cuda or hip), used, gpus(), placement.unusable())


def told(
    version: str, build: str, for_gpus: bool, used: list[str], there: list[str], why: str = ""
) -> Iterator[Finding]:
    """What a build of torch means on a machine.

    Args:
        version: torch's.
        build: what it was built for, in words.
        for_gpus: whether that is a GPU.
        used: the GPUs that torch sees.
        there: those that the driver names.
        why: torch can't use what is there, in its words.
    """
    if for_gpus and not used and not there and not why:
        yield mind(
            "torch", f"{version}, {build}, on a machine without a GPU", "it works; the CPU's build is far smaller"
        )
    else:
        yield ok("torch", f"{version}, {build}")
    if used:
        yield ok("GPU", f"{', '.join(used)}: training uses {'it' if len(used) == 1 else 'them'}")
    elif for_gpus and (there or why):
        named = f"{', '.join(there) or 'one'}, which torch can't use"
        mend = f"its driver may be too old for torch {build}: update it, or install torch's build for it"
        yield fails("GPU", f"{named} ({why[:200]})", mend) if why else mind("GPU", named, mend)
    elif there:
        yield mind("GPU", f"{', '.join(there)}, which torch can't use", "install torch's build for it")
    else:
        yield ok("GPU", "none: everything runs on the CPU")


def gpus() -> list[str]:
    """The GPUs that NVIDIA's driver names, whether or not torch can use them."""
    found = shutil.which("nvidia-smi")
    if not found:
        return []
    asked = [found, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def cache() -> Finding:
    """Whether the folder of models can be written."""
    folder = models.cache()
    there = _nearest(folder)
    if file := next((path for path in (folder.absolute(), *folder.absolute().parents) if path.is_file()), None):
        return fails("cache", f"{file} is a file, not a folder", "name a folder in EMPATHIC_CACHE")
    try:
        with tempfile.TemporaryFile(dir=there) as tried:
            tried.write(b"x")
    except OSError as error:
        mend = "make it writable, or name another folder in EMPATHIC_CACHE"
        return fails("cache", f"{folder} can't be written ({error.strerror or error})", mend)
    return ok("cache", f"{folder} can be written")


def room(names: Collection[str] = ()) -> Finding:
    """Whether the disk has room for the known models that aren't there yet.

    Args:
        names: those that are wanted; too little room for them fails, too little for others is to be minded.
    """
    missing = models.absent(names or models.KNOWN)
    wanted = sum(models.KNOWN[name].megabytes for name in missing)
    free = files.free(models.cache())
    what = f"{free // _MEGA:,} MB are free"
    if not missing:
        return ok("disk", f"{what}; the {'models' if names else 'known models'} are there")
    what += f"; {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} still to be fetched ({wanted:,} MB)"
    if models.room(missing) > free:
        told: Callable[[str, str, str], Finding] = fails if names else mind
        return told("disk", what, "make room, or name a folder of another disk in EMPATHIC_CACHE")
    return ok("disk", what)


def programs() -> Iterator[Finding]:
    """Programs that are used where they are there."""
    for name, mend in _PROGRAMS.items():
        found = shutil.which(name) or (shutil.which("google-chrome") if name == "chromium" else None)
        yield ok(name, found) if found else mind(name, "none", mend)


def _nearest(folder: Path) -> Path:
    """A folder, or the one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
