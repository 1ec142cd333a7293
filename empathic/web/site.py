"""A folder that any web server can serve: page, gate, llama.cpp for browsers, and the student in parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from empathic import files
from empathic.conversation import page
from empathic.errors import UserError
from empathic.phone import place
from empathic.safety import spec
from empathic.safety.compliance import Notice
from empathic.safety.gate import Gate
from empathic.safety.settings import Settings
from empathic.web import npm, wllama
from empathic.web.student import Student

PART = 16 * 2**20  # bytes of a part: hosts refuse large files, and a browser holds one in memory to check its hash
_MARK = "student.json"
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self' blob:; "
    "style-src 'self'; img-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
_HEAD = f"""<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="theme-color" content="#fbfaf7" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#16191b" media="(prefers-color-scheme: dark)">
<link rel="manifest" href="manifest.json">
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="apple-touch-icon" href="icon-192.png">
<link rel="stylesheet" href="page.css">
<link rel="stylesheet" href="site.css">"""
_KEPT = """It answers on this device: what you write is sent nowhere and kept nowhere, and closing this page forgets it.
<span class="note" role="status" hidden></span>"""
_ABOVE = """<div class="loading"><label for="loaded">Preparing …</label><progress id="loaded"></progress></div>"""
_SCRIPTS = '<script src="page.js"></script>\n<script type="module" src="main.js"></script>'


def build(
    student: Student,
    folder: Path,
    country: str | None = None,
    settings: Settings | None = None,
    log: Callable[[str], None] = print,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the site, whole or not at all.

    Args:
        student: who answers.
        folder: where it goes: a new or empty folder, or an earlier site's.
        country: two letters, for the help lines that the gate names; None for ones that hold everywhere.
        settings: a builder's own lines, replies and help lines of the gate.
        log: told of what is fetched.
        progress: told how many bytes of the student are written, of how many.

    Raises:
        UserError: the gate is damaged, the folder holds other files or can't be written, no room on disk, or wllama
            can't be fetched.
    """
    if Gate.load().closed:
        raise UserError("the safety gate is damaged, and no page is made without it; install the package anew")
    with place.workplace(folder, _is_site) as work:
        ready = work / "ready"
        size = student.path.stat().st_size
        files.check_room(folder, size + wllama.MEGABYTES * 10**6, "the site")
        try:
            for package in wllama.PACKAGES:
                npm.unpack(package, ready, log)
            _copy_ours(ready, settings or Settings())
            parts = list(_split(student.path, ready, lambda done: progress(done, size)))
        except OSError as error:
            raise UserError(
                f"{folder}: can't be written ({error.strerror or error}); mend that and run again"
            ) from error
        about = {"name": student.name, "file": student.path.name, "told": student.told, "window": student.window}
        files.write_json(
            ready / _MARK, {**about, **asdict(student.sampling), "country": country, "bytes": size, "parts": parts}
        )
        _write_worker(ready)
        place.move(ready, folder)


def _is_site(folder: Path) -> bool:
    """Whether a folder holds a site of ours."""
    try:
        found = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"parts", "told"} <= found.keys()


def _copy_ours(ready: Path, settings: Settings) -> None:
    """The page, the gate and the student's scripts."""
    for source in (resources.files("empathic.web") / "site").iterdir():
        if source.name != "worker.js":
            (ready / source.name).write_bytes(source.read_bytes())
    for name in ("page.css", "page.js"):
        files.write_text(ready / name, page.part(name))
    words = settings.words()
    notices = page.told([Notice(words.disclosure())])
    html = page.filled(head=_HEAD, notices=notices, kept=_KEPT, above=_ABOVE, scripts=_SCRIPTS)
    files.write_text(ready / "index.html", html)
    gate = ready / "gate"
    gate.mkdir()
    for name in ("gate.js", "reader.js"):
        (gate / name).write_bytes((resources.files("empathic.safety") / name).read_bytes())
    spec.write(gate / "gate.json", settings.tables(spec.read()))
    files.write_json(gate / "replies.json", words.texts)
    files.write_json(gate / "helplines.json", words.table)


def _split(path: Path, ready: Path, written: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """The file in parts, each named by its hash."""
    (ready / "model").mkdir()
    done = 0
    with path.open("rb") as source:
        while data := source.read(PART):
            digest = hashlib.sha256(data).hexdigest()
            name = f"model/{digest[:32]}.bin"
            (ready / name).write_bytes(data)
            done += len(data)
            written(done)
            yield {"file": name, "bytes": len(data), "sha256": digest}


def _write_worker(ready: Path) -> None:
    """The service worker: which files it keeps from the first visit on, and their hash, to notice new ones."""
    ours = sorted(
        path.relative_to(ready).as_posix()
        for path in ready.rglob("*")
        if path.is_file() and path.parent.name != "model" and path.name != "LICENCE"
    )
    either = [name for name in ours if name.endswith(".wasm") or name == "wllama/compat.js"]
    kept = [name for name in ours if name not in either]
    fields = {
        "version": files.digest([files.sha256(ready / name) for name in kept])[:16],
        "files": json.dumps(["./" if name == "index.html" else name for name in kept]),
        "either": json.dumps(either),
    }
    worker = (resources.files("empathic.web") / "site" / "worker.js").read_text(encoding="utf-8")
    for name, value in fields.items():
        worker = worker.replace("{{ " + name + " }}", value)
    files.write_text(ready / "worker.js", worker)
