"""What a run writes for programs to read: typed, with the version of the format, and refused where it is another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from empathic import files
from empathic.errors import UserError

VERSION = 2  # of a run's folder; 1 had the fixed steps sft and dpo
Facts = dict[str, Any]


class Artefact(BaseModel):
    """A file, or a row of one: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class StageRecord(Artefact):
    """What the manifest says of a stage: how it went, what it was done from, and what it found."""

    status: Literal["running", "done", "partial", "outdated"]
    seconds: float | None = None
    recipe: Facts = {}
    inputs: dict[str, str] = {}
    facts: Facts = {}


class Manifest(Artefact):
    """`manifest.json`: what made the run, and what came of its stages."""

    version: Literal[2] = 2
    name: str
    empathic: str
    git: str | None = None
    python: str = ""
    machine: str = ""
    versions: dict[str, str] = {}
    models: dict[str, str] = {}
    stages: dict[str, StageRecord] = {}


class WinRateRow(Artefact):
    """How often system `a` beat system `b` by a measure, over `n` dialogues. Ties count half."""

    a: str
    b: str
    measure: str
    estimate: float
    low: float
    high: float
    ties: int
    n: int


class GroupRow(WinRateRow):
    """A win rate on a part of the test dialogues."""

    group: str


class LengthControlledRow(Artefact):
    """What is left of a win rate at equal lengths; None where it can't be told."""

    a: str
    b: str
    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    extrapolated: bool
    ties: int
    n: int


class DifferenceRow(Artefact):
    """By how much more often `first` beats `against` than `second` does, on the same dialogues."""

    first: str
    second: str
    against: str
    measure: str
    estimate: float
    low: float
    high: float
    p: float
    n: int


class ControlRow(Artefact):
    """How often a measure preferred the reply that is better by construction."""

    rate: float
    n: int
    passes: bool


class SendableRow(Artefact):
    """How many of a system's replies a reader would send, as a scorer of readings sees it."""

    system: str
    said: float
    estimate: float
    low: float
    high: float
    n: int


class Summary(Artefact):
    """`summary.json`: the figures of a run in one place.

    Attributes:
        systems: what the run made, the untuned student first, the one that ships last.
        headline: the pair whose win rates answer whether training helped.
        judges: who was asked.
        controls: by measure and control.
        levels_asked: judges that were asked for EPITOME's levels.
        seconds: by stage.
    """

    version: Literal[2] = 2
    systems: list[str]
    headline: tuple[str, str]
    dialogues: dict[str, int]
    teacher: Facts
    corpus: Facts
    training: dict[str, Facts]
    judges: list[str]
    sendable: list[SendableRow]
    win_rates: list[WinRateRow]
    length_controlled: list[LengthControlledRow]
    differences: list[DifferenceRow]
    ranking: list[Facts]
    who_beats_whom: list[WinRateRow]
    alpha: float | None
    judge_kappas: list[Facts]
    controls: dict[str, dict[str, ControlRow]]
    people: list[Facts]
    readings: Facts | None
    lost: list[Facts]
    questions: list[str]
    levels_asked: list[str]
    one_family: list[dict[str, str]]
    hollowness: list[Facts]
    by_emotion: list[GroupRow]
    by_length: list[GroupRow]
    bill: list[Facts]
    seconds: dict[str, float]

    def headline_rates(self) -> list[WinRateRow]:
        """The last step's student against the untuned one, a row a measure."""
        return [row for row in self.win_rates if (row.a, row.b) == self.headline]

    def failed_controls(self) -> dict[str, list[str]]:
        """Which controls each measure failed."""
        return {
            measure: [name for name, found in controls.items() if not found.passes]
            for measure, controls in self.controls.items()
        }


class PairedRow(Artefact):
    """By how much one share is larger than another on the same `n` messages, with its 95% interval and p."""

    estimate: float
    low: float
    high: float
    p: float
    n: int


class SentRow(Artefact):
    """The share of a file's replies that readers would send, of the `n` they read, with its 95% interval.

    `over_f16` is by how much it is larger than that of the f16 file's replies to the same messages; None of f16 itself,
    and where fewer than two of those were read.
    """

    estimate: float
    low: float
    high: float
    n: int
    over_f16: PairedRow | None = None


class ExportRow(Artefact):
    """A file of an export, and what parity with the merged model found.

    Attributes:
        file: its name; None for one that was refused and isn't written.
        quant: what was asked for.
        imatrix: whether it was quantised with an importance matrix.
        types: the share of its matrices' weights by type.
        fell_back: the share whose type isn't one that the quant means.
        prompts: whether template and tokens are the same on every test dialogue.
        kl_mean: nats a token; `kl_999` is what 99.9% of tokens stay below.
        top1: the share of tokens with the same likeliest word.
        perplexity: on what people wrote.
        identical: the share of greedy replies that are the same to the letter.
        positions: over how many tokens of replies.
        holds: whether it meets its bars.
        replies: to how many test dialogues it replied, whole.
        sendable: how many of these replies readers would send; None where none was read.
    """

    file: str | None
    quant: str
    imatrix: bool
    bytes: int
    bits_per_weight: float
    types: dict[str, float]
    fell_back: float
    prompts: bool
    kl_mean: float
    kl_999: float
    top1: float
    perplexity: float
    identical: float
    positions: int
    holds: bool
    replies: int = 0
    sendable: SentRow | None = None


class Export(Artefact):
    """`export.json`: the files that ship.

    Attributes:
        system: whose they are.
        adapter: the hash of its adapter; None for the untuned student.
        perplexity: the merged model's, on what people wrote.
        dialogues: on how many test dialogues tokens were compared, and on how many distributions and replies.
        imatrix: what the importance matrix was made from; None without one.
        recommended: the file to ship, by `rule`; None where none is fit.
        folder: where the files lie, as seen from the run.
    """

    version: Literal[2] = 2
    system: str
    adapter: str | None
    perplexity: float
    dialogues: dict[str, int]
    imatrix: str | None
    rows: list[ExportRow]
    recommended: str | None
    rule: str
    folder: str = "export"

    @property
    def named(self) -> str:
        """The file that programs are pointed to: the recommended one, else the first that is written."""
        return self.recommended or next(row.file for row in self.rows if row.file)


A = TypeVar("A", Manifest, Summary, Export)


def read(path: Path, kind: type[A]) -> A:
    """Read an artefact of a run.

    Raises:
        UserError: the file is missing, was written by another version, or isn't what it should be.
    """
    raw = files.read_json(path)
    version = raw.get("version", 1) if isinstance(raw, dict) else None
    if version != VERSION:
        made = f"empathic {raw['empathic']}" if isinstance(raw, dict) and "empathic" in raw else "an earlier empathic"
        raise UserError(
            f"{path}: {made} made this run, in format {version}; this version reads format {VERSION} alone: "
            "do the run over in another --out"
        )
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise UserError(f"{path}: {where}: {fault['msg']}; do the run over in another --out") from error
