"""What is looked at: an endpoint by its address, or all that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from empathic import files, models
from empathic.doctor import questions
from empathic.doctor.endpoint import Examination, Role
from empathic.doctor.finding import Finding, fails, mind, ok
from empathic.endpoints import keys, pricing
from empathic.endpoints.endpoint import Endpoint
from empathic.endpoints.open import local_name, open_endpoint
from empathic.errors import UserError
from empathic.judge import recipe_models
from empathic.recipe import Recipe
from empathic.student import distil_teacher


@dataclass(frozen=True)
class Target:
    """An endpoint and what it is wanted as; fields as a recipe's teacher has them."""

    where: str
    model: str | None = None
    key_env: str | None = None
    roles: tuple[Role, ...] = ("teacher", "judge")
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    prices: list[float] | None = None

    def __str__(self) -> str:
        return f"{self.where} {self.model}" if self.model else self.where

    @property
    def known(self) -> str | None:
        """The known model that it is served from, if any."""
        name = local_name(self.where)
        return name if name in models.KNOWN else None


def is_address(text: str) -> bool:
    """Whether a text is an endpoint and no recipe."""
    return local_name(text) is not None or text.startswith(("http://", "https://"))


def targets(recipe: Recipe) -> list[Target]:
    """The endpoints that a recipe asks, each once with all that it is asked as."""
    teacher, found = recipe.teacher, list[Target]()
    if teacher.endpoint:
        found.append(
            Target(teacher.endpoint, teacher.model, teacher.key_env, ("teacher",), teacher.extra_body, teacher.prices)
        )
    for judge in recipe_models.judges_of(recipe):
        one = Target(judge.endpoint, judge.model, judge.key_env, ("judge",), judge.extra_body)
        for place, other in enumerate(found):
            if replace(other, roles=one.roles, prices=None) == one:
                both: tuple[Role, ...] = (*other.roles, *one.roles)
                found[place] = replace(other, roles=tuple(dict.fromkeys(both)))
                break
        else:
            found.append(one)
    return found


def examine(target: Target, say: Callable[[str], None]) -> Iterator[Finding]:
    """Every check of an endpoint, as it is done.

    Args:
        target: which, and what it is wanted as.
        say: told what will be asked, before it is.
    """
    if target.known and not models.cached(target.known).exists():
        size = models.KNOWN[target.known].megabytes
        yield mind("model", f"{target.known} isn't here yet ({size:,} MB)", f"empathic models pull {target.known}")
        return
    try:
        if target.key_env:
            yield key(target.where, target.key_env)
        with open_endpoint(
            target.where, target.model, target.key_env, log=lambda said: None, extra_body=target.extra_body
        ) as endpoint:
            yield from _examined(endpoint, target, say)
    except UserError as error:
        yield fails("endpoint", str(error).removeprefix(f"{target.where}: "))


def _examined(endpoint: Endpoint, target: Target, say: Callable[[str], None]) -> Iterator[Finding]:
    prices = None if endpoint.capabilities.free else pricing.prices(target.model, target.prices)
    asked = questions.of_roles("teacher" in target.roles, "judge" in target.roles)
    say(f"{target} is asked {questions.announced(asked, prices)}; nothing is kept")
    yield from Examination(endpoint, target.roles, prices).findings()


def key(where: str, variable: str) -> Finding:
    """Whether the key in a variable is whole, and of the provider whose address it is for.

    Raises:
        UserError: it is missing, or no key.
    """
    found = keys.read_key(where, variable)
    if why := keys.doubt(where, found):
        return mind("key", f"{variable} is whole, but {why}", "check that it is this provider's")
    return ok("key", f"{variable} is whole")


def weights(recipe: Recipe) -> Iterator[Finding]:
    """Whether a recipe's student and the models that teach its steps are there, or where they will come from."""
    yield _weights("student", "student.model", recipe.student.model)
    for step in recipe.distillations:
        try:
            of = distil_teacher.find(step, recipe)
        except UserError as error:
            yield fails(step.name, str(error))
            continue
        yield _weights(f"{step.name} teacher", step.key("teacher"), of.model, of.adapter)


def _weights(check: str, key: str, name: str, adapter: Path | None = None) -> Finding:
    """Of one model, or of the base of an adapter."""
    try:
        base = recipe_models.base_of(name, key)
    except UserError as error:
        return fails(check, str(error))
    except ModuleNotFoundError as error:
        return mind(check, f"{name} can't be looked at: {error}", "pip install 'empathic[train]'")
    under = f", under {adapter or name}" if adapter or base != name else ""
    if models.absent([base]):
        return mind(check, f"{base}{under} isn't here yet ({models.KNOWN[base].megabytes:,} MB)", "a run fetches it")
    with suppress(UserError):
        return ok(check, f"{models.gguf(base)}{under}")
    path = Path(base)
    if models.is_file(base):
        return fails(check, f"{base}{under} is no GGUF file that is there", f"check {key}")
    if path.is_dir():
        if not (path / "config.json").is_file():
            return fails(check, f"{base}{under} has no config.json", f"{key} wants a model's folder")
        with suppress(UserError):
            files.read_json(path / "config.json")
            return ok(check, f"{base}, a folder{under}")
        return fails(check, f"the config.json of {base} isn't JSON", "write it anew")
    if base.count("/") != 1:
        return fails(check, f"{base}{under} is neither a known model nor a folder", "empathic models lists the known")
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(base, "config.json"), str):
        return ok(check, f"{base}, in the cache of the Hugging Face hub{under}")
    return mind(check, f"{base}{under} isn't in the cache of the Hugging Face hub", "a run fetches it from there")
