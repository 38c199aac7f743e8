"""The words of the product, as a test: one name for one idea, and "who" for people."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.unit.source import MODULES, classes, prose, text_of, tree_of

# A port and its adapter may have one name. The set only shrinks.
SHARED_NAMES = frozenset({"Vault"})

PERSON = re.compile(r"\b(who|whoever|somebody|nobody|whom|he|his)\b", re.IGNORECASE)
# Lines in which a person is meant.
PEOPLE: frozenset[tuple[str, str]] = frozenset(
    {
        (
            "cli/__init__.py",
            "Triggers in; e-mail and SQS messages out; nobody sees the secrets.",
        )
    }
)

# The words for a cause that are not `reason`.
OTHER_CAUSES = {"why", "cause", "because", "fault", "problem"}
# Rooms whose log lines still have another key. The set only shrinks.
UNCLEANED_CAUSES: frozenset[str] = frozenset()
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
# observability/logs.py says why.
STRUCTLOG_ROOMS = {"observability", "services", "app", "api", "console", "cli", "demo"}
STRUCTLOG_BESIDE = {"stores/audit/log.py"}


@cache
def persons(module: Path) -> list[str]:
    return [line for line in prose(module) if PERSON.search(line)]


def keys_of(call: ast.Call) -> Iterator[str]:
    """Yield the names of the data in a log call: keywords, and keys of `extra`."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
            keys = [key for key in keyword.value.keys if isinstance(key, ast.Constant)]
            yield from (str(key.value) for key in keys)


def log_calls(module: Path) -> Iterator[ast.Call]:
    for node in ast.walk(tree_of(module)):
        match node:
            case ast.Call(ast.Attribute(ast.Name("log"), level)) if level in LEVELS:
                yield node
            case _:
                pass


def test_no_class_name_stands_for_two_ideas() -> None:
    names = Counter(
        class_.name.lstrip("_") for module in MODULES for class_ in classes(module)
    )

    shared = {name for name, count in names.items() if count > 1}

    print(f"\nclass names that stand twice: {sorted(shared)}")
    assert shared == SHARED_NAMES


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_comments_and_docstrings_say_who_of_people_alone(module: Path) -> None:
    found = {(module.as_posix(), line) for line in persons(module)}

    assert found <= PEOPLE


def test_each_line_about_people_is_still_there() -> None:
    found = {
        (module.as_posix(), line) for module in MODULES for line in persons(module)
    }

    assert found >= PEOPLE


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_log_line_calls_a_cause_reason(module: Path) -> None:
    keys = {key for call in log_calls(module) for key in keys_of(call)}

    assert not keys & OTHER_CAUSES or module.parts[0] in UNCLEANED_CAUSES


def test_structlog_is_used_where_logs_says() -> None:
    users = {
        module.as_posix()
        for module in MODULES
        if "structlog" in text_of(module) and module.parts[0] not in STRUCTLOG_ROOMS
    }

    assert users == STRUCTLOG_BESIDE
