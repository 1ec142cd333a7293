"""What a builder sets of the gate: its lines, its words, its help lines, and a larger model that reads before it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from empathic.errors import UserError
from empathic.safety import replies, spec
from empathic.safety.replies import NAMES, Replies


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """The lines, in natural logarithms of odds; a lower one stops more. What isn't set is as the gate was made."""

    concern: float | None = Field(None, description="above it people to talk to are named")
    ask: float | None = Field(None, description="above it the direct question is asked")
    crisis: float | None = Field(None, description="above it the fixed reply stands in the student's place")
    harmful: float | None = Field(None, description="above it, of what is asked for, help is refused")


class GuardModel(_Section):
    """A model that reads each message before the student does; what it calls a crisis is one."""

    endpoint: str = Field(description="local:NAME, local:FILE.gguf, or a server's base URL")
    model: str | None = Field(None, description="needed by most servers")
    key_env: str | None = Field(None, description="the environment variable that holds the key")
    extra_body: dict[str, Any] = Field({}, description="what requests hold besides")
    seconds: float = Field(5.0, gt=0, description="how long a person waits for it; then the gate decides alone")


class Settings(_Section):
    """The file as a whole."""

    limits: Limits = Limits()
    replies: dict[str, dict[str, str]] = Field(
        {}, description="language: {name: text}, in place of those of the package; a new language needs every name"
    )
    helplines: dict[str, dict[str, Any]] = Field(
        {}, description="country: {emergency, lines: [{name, call, text, for}]}, in place of the package's"
    )
    guard: GuardModel | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for language, texts in self.replies.items():
            if unknown := texts.keys() - set(NAMES):
                raise ValueError(f"replies.{language}: no text is called {min(unknown)}; known: {', '.join(NAMES)}")
        for country, here in self.helplines.items():
            if not replies.is_country(here):
                raise ValueError(f"helplines.{country}: want an emergency number and lines, each with name and call")
        return self

    def words(self) -> Replies:
        """The package's replies and help lines with these in their place.

        Raises:
            UserError: a new language lacks a text.
        """
        ours = replies.package()
        texts = {
            name: {**ours.texts.get(name, {}), **self.replies.get(name, {})} for name in {**ours.texts, **self.replies}
        }
        for language, found in texts.items():
            if not replies.is_language(found):
                raise UserError(f"replies.{language}: lacks {', '.join(sorted(set(NAMES) - found.keys()))}")
        theirs = {country.upper(): here for country, here in self.helplines.items()}
        return Replies(texts, {**ours.table, "countries": {**ours.countries, **theirs}})

    def tables(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """A gate's specification with these lines.

        Raises:
            UserError: lines that stand in another order than concern, ask, crisis.
        """
        limits = {**made["limits"], **self.limits.model_dump(exclude_none=True)}
        if not limits["concern"] <= limits["ask"] <= limits["crisis"]:
            said = ", ".join(f"{name} {limits[name]:g}" for name in ("concern", "ask", "crisis"))
            raise UserError(f"limits: want concern, ask and crisis in this order, the lowest first; they are {said}")
        return {**made, "limits": limits}


def read(path: Path) -> Settings:
    """The settings in a YAML file.

    Raises:
        UserError: it can't be read, or something in it is none of this.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: can't be read ({' '.join(str(error).split())})") from error
    try:
        settings = Settings.model_validate({} if found is None else found)
        settings.words()
        with contextlib.suppress(spec.Damaged):  # a damaged gate is closed, whatever is set
            settings.tables(spec.read())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {place + ': ' if place else ''}{said[0].lower() + said[1:]}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return settings
