"""Analyses: scripts that are given `context.environment`, and the versions of each.

Policies, whose target an analysis is, decide which secrets are in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_label,
    require_list,
    require_object,
    require_text,
)
from keyrelay.model.interval import parse_interval
from keyrelay.model.policy.kinds import ANALYSIS
from keyrelay.model.tags import Tagged, parse_tags
from keyrelay.model.uploaded_script import (
    ScriptVersion,
    parse_runtime,
    require_file_name,
)

LONGEST_NAME = 100
MOST_VARIABLES = 20
LONGEST_KEY = 100
LONGEST_VALUE = 8 * 1024

# fmt: off
_FIELDS = frozenset({
    "name", "active", "tags", "description", "interval", "run_on", "file_name",
    "runtime", "variables",
})
# fmt: on
_KEY = re.compile(r"[A-Za-z0-9_.-]+")


# Words for what is secret, and how well-known credentials begin.
_CREDENTIAL_KEY = re.compile(
    r"passw|passphrase|secret|credential|token|api[_.-]?key|private[_.-]?key",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abps]-|sk-|sk_live_|eyJ|-----BEGIN "
)


class RunOn(StrEnum):
    """Where an analysis runs."""

    HOSTED = "tago"
    EXTERNAL = "external"


Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Variable:
    """A pair of the environment that is no secret; it beats a secret of its key."""

    key: str
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """`interval` is how often it is run by itself; None, never."""

    tagged: Tagged
    name: str
    active: bool
    run_on: RunOn
    interval: timedelta | None
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnalysis:
    """An analysis and its scripts; `version` is the one that runs, None without any."""

    analysis: Analysis
    versions: tuple[ScriptVersion, ...] = ()
    version: int | None = None


def parse_analysis(document: Mapping[str, object], id_: str, profile: str) -> Analysis:
    """Read TagoIO's document of an analysis, or raise InvalidDefinition.

    `description`, `file_name` and `runtime` are checked here, and kept by the store as
    they were sent; what is run is a version of its script, which has its own.
    """
    refuse_unknown(document, _FIELDS, "an analysis")
    description = document.get("description")
    if description is not None:  # TagoIO's clients may send null
        require_text(description, "description", longest=2000, shortest=0)
    if document.get("file_name") is not None:
        require_file_name(document["file_name"])
    parse_runtime(document.get("runtime"), "runtime")
    tags = parse_tags(document.get("tags", []))
    return Analysis(
        tagged=Tagged(kind=ANALYSIS, profile=profile, id=id_, tags=tags),
        name=require_label(document.get("name"), "name", longest=LONGEST_NAME),
        active=require_bool(document.get("active", True), "active"),
        run_on=parse_run_on(document.get("run_on")),
        interval=parse_interval(document.get("interval")),
        variables=_variables(document.get("variables")),
    )


def parse_run_on(value: object) -> RunOn:
    """Read where an analysis runs; None is hosted. Raises InvalidDefinition."""
    if value is None:
        return RunOn.HOSTED
    if not isinstance(value, str) or value not in {*RunOn}:
        raise InvalidDefinition(f"run_on must be one of {', '.join(RunOn)}")
    return RunOn(value)


def require_runnable(scripted: ScriptedAnalysis) -> None:
    """Raise InvalidDefinition for an analysis that cannot be run as it stands."""
    analysis = scripted.analysis
    if not analysis.active:
        raise InvalidDefinition(f"analysis {analysis.name!r} is inactive")
    if analysis.run_on is RunOn.HOSTED and scripted.version is None:
        raise InvalidDefinition(
            f"analysis {analysis.name!r} has no script: upload one before it is run"
        )


def looks_like_credential(variable: Variable) -> bool:
    """Tell whether a variable is named, or begins, as credentials are: a guess."""
    value = variable.value
    named = _CREDENTIAL_KEY.search(variable.key) is not None
    return isinstance(value, str) and (
        (named and value != "") or _CREDENTIAL.match(value) is not None
    )


def _variables(value: object) -> tuple[Variable, ...]:
    if value is None:
        return ()
    entries = require_list(value, "variables", longest=MOST_VARIABLES)
    variables = tuple(_variable(require_object(each, "a variable")) for each in entries)
    if len({each.key for each in variables}) != len(variables):
        raise InvalidDefinition("variables must not have the same key twice")
    return variables


def _variable(entry: Mapping[str, object]) -> Variable:
    refuse_unknown(entry, {"key", "value"}, "a variable")
    key = require_text(entry.get("key"), "a variable's key", longest=LONGEST_KEY)
    if _KEY.fullmatch(key) is None:
        raise InvalidDefinition(
            "a variable's key has letters, digits, '_', '-' and dots"
        )
    match entry.get("value"):
        case str(text):
            longest = LONGEST_VALUE
            require_text(text, "a variable's value", longest=longest, shortest=0)
            return Variable(key, text)
        case bool() | int() | float() as value:
            return Variable(key, value)
        case _:
            raise InvalidDefinition(
                "a variable's value is a text, a number, true or false"
            )
