"""The measures of style.md, as a test: how long, how many, and what is still larger.

`python -m pytest tests/unit/test_measures.py -s` prints what is above the measures
that we aim at. Each list below holds today's exceptions: a new one fails the test, and
so does one that is no longer needed, so that the lists can only shrink.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.unit.source import (
    MODULES,
    Function,
    classes,
    functions,
    parameters,
    text_of,
)

LONGEST_MODULE, LONGEST_FUNCTION = 300, 45  # lines
LONG_MODULE, LONG_FUNCTION = 250, 30  # what we aim at
MOST_FIELDS = MOST_PARAMETERS = 6

# Commands of the CLI are exempt: an option is a parameter there.
MANY_PARAMETERS: Mapping[str, str] = {}
MANY_FIELDS = {
    "api/route.py Route": "one field for each thing that is known of a route",
    "app/settings.py Settings": "one field for each setting",
    "model/catalog.py Catalog": "one field for each kind of definition",
    "model/audit.py ChangeRecord": "one field for each column of a change",
    "model/claim.py Arrival": "what the headers of a record say, all compared",
    "sources/sqlite/inserting.py AcceptedRow": "one field for each column of a new row",
    "sources/kafka/connecting/connection.py ClientArguments": "aiokafka's own names",
}
LONG_MODULES = frozenset(
    {
        "app/settings.py",
        "ports.py",
    }
)
LONG_FUNCTIONS = frozenset(
    {
        "cli/secret.py create",
        "cli/secret.py edit",
        "cli/trigger.py publish",
        "stores/definitions/secrets.py edit",
    }
)


def lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def modules_above(measure: int) -> dict[str, int]:
    lengths = {
        module.as_posix(): len(text_of(module).splitlines()) for module in MODULES
    }
    return {module: length for module, length in lengths.items() if length > measure}


def functions_above(measure: int) -> dict[str, int]:
    return {
        f"{module.as_posix()} {function.name}": lines_of(function)
        for module in MODULES
        for function in functions(module)
        if lines_of(function) > measure
    }


def fields_of(class_: ast.ClassDef) -> int:
    """Count what an instance is made of; what the class has once is no field."""
    annotated = [each for each in class_.body if isinstance(each, ast.AnnAssign)]
    return sum("ClassVar" not in ast.unparse(each.annotation) for each in annotated)


def is_command(module: Path, function: Function) -> bool:
    return module.parts[0] == "cli" and bool(function.decorator_list)


def with_many_parameters() -> Iterator[str]:
    for module in MODULES:
        for function in functions(module):
            many = len(parameters(function)) > MOST_PARAMETERS
            if many and not is_command(module, function):
                yield f"{module.as_posix()} {function.name}"


def test_no_module_is_longer_than_300_lines() -> None:
    assert modules_above(LONGEST_MODULE) == {}


def test_no_function_is_longer_than_45_lines() -> None:
    assert functions_above(LONGEST_FUNCTION) == {}


def test_no_function_but_a_command_has_more_than_six_parameters() -> None:
    assert {*with_many_parameters()} == MANY_PARAMETERS.keys()


def test_no_class_but_those_listed_has_more_than_six_fields() -> None:
    many = {
        f"{module.as_posix()} {class_.name}"
        for module in MODULES
        for class_ in classes(module)
        if fields_of(class_) > MOST_FIELDS
    }

    assert many == MANY_FIELDS.keys()


def test_the_modules_above_250_lines_are_those_listed() -> None:
    long = modules_above(LONG_MODULE)

    _print(f"modules above {LONG_MODULE} lines", long)
    assert long.keys() == LONG_MODULES


def test_the_functions_above_30_lines_are_those_listed() -> None:
    long = functions_above(LONG_FUNCTION)

    _print(f"functions above {LONG_FUNCTION} lines", long)
    assert long.keys() == LONG_FUNCTIONS


def _print(title: str, sizes: Mapping[str, int]) -> None:
    print(f"\n{title}: {len(sizes)}")
    for name, size in sorted(sizes.items(), key=lambda each: -each[1]):
        print(f"  {size:4}  {name}")
