"""The architecture, as a test: what may import, make, catch and reveal what."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "keyrelay"
FLOORS = (
    {"definition", "ids", "outcome", "placeholders", "batching", "backlog", "claim"},
    {"tags", "mailbox", "queue_url", "egress", "settlement", "world", "instant"}
    | {"private_file"},
    {"secret", "data_point", "pattern"},
    {"trigger", "credentials", "action", "rule"},
    {"dead_letter", "action_document", "policy", "message"},
    {"audit", "catalog"},
    {"ports", "pauses", "audit_document"},
    {"pipeline", "worker"},
    {"vault", "sqlite", "postgres"},
    {"sources", "dispatchers", "stores"},
    {"setting_kinds"},
    {"settings", "logs"},
    {"watch"},
    {"crew"},
    {"kafka"},
    {"opening"},
    {"app", "moving"},
    {"api", "console", "cli"},
    {"__main__"},
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
# From here up a module may know a technology.
GROUND = FLOOR["vault"]
# Each is a review point: what is revealed here must be gone when the call returns.
REVEALERS = {
    "credentials.py",
    "dispatchers/smtp/dispatcher.py",
    "dispatchers/smtp/login.py",
    "dispatchers/sqs/client.py",
    "sources/kafka/connection.py",
    "stores/secrets.py",
    "vault/envelope.py",
    "vault/local_key.py",
}
MODULES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT) != Path("__init__.py")
)
every_module = pytest.mark.parametrize("module", MODULES, ids=str)


def part_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text())


def imported(module: Path) -> Iterator[str]:
    """Yield the dotted names; what stands in a `from` is complete."""
    for node in ast.walk(tree_of(module)):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(None | "keyrelay" as source, names):
                yield from (f"{source}.{alias.name}" for alias in names)
            case ast.ImportFrom(str(source)):
                yield source
            case _:
                pass


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    given = function.args
    return {
        parameter.arg
        for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs)
    } - {"self", "cls"}


def caught(node: ast.AST) -> set[str]:
    """Return the last names of the exceptions that a node swallows."""
    match node:
        case ast.ExceptHandler(None):
            return {"everything"}
        case ast.ExceptHandler(type_):
            nodes: list[ast.AST] = [type_] if type_ is not None else []
        case ast.Call(ast.Name("suppress") | ast.Attribute(_, "suppress"), arguments):
            nodes = [*arguments]
        case _:
            return set()
    inner = [each for outer in nodes for each in ast.walk(outer)]
    return {n.id for n in inner if isinstance(n, ast.Name)} | {
        n.attr for n in inner if isinstance(n, ast.Attribute)
    }


def renamed(node: ast.AST) -> str | None:
    return node.name if isinstance(node, ast.alias) and node.asname else None


def called(node: ast.AST) -> str | None:
    match node:
        case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(_, name)):
            return name
        case _:
            return None


@every_module
def test_every_part_has_its_floor(module: Path) -> None:
    assert part_of(module) in FLOOR


@every_module
def test_imports_point_down(module: Path) -> None:
    part = part_of(module)
    ours = {name.split(".")[1] for name in imported(module) if "keyrelay." in name}
    others = ours - {part, "__version__"}

    assert {other for other in others if FLOOR[other] >= FLOOR[part]} == set()


@every_module
def test_imports_are_absolute(module: Path) -> None:
    relative = [
        node
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


@every_module
def test_no_import_hides_behind_type_checking(module: Path) -> None:
    assert "TYPE_CHECKING" not in (ROOT / module).read_text()


@every_module
def test_technology_stays_below_the_ports_and_in_the_faces(module: Path) -> None:
    known = sys.stdlib_module_names | {"keyrelay"}
    foreign = {name.split(".")[0] for name in imported(module)} - known

    assert foreign == set() or FLOOR[part_of(module)] >= GROUND


def test_only_policy_makes_permits() -> None:
    makers = {
        str(module)
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if called(node) == "Permit" or renamed(node) == "Permit"
    }

    assert makers == {"policy.py"}


def test_one_broad_catch_stands_in_the_worker_alone() -> None:
    broad = {"everything", "Exception", "BaseException", "CancelledError"}
    catchers = [
        str(module)
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if caught(node) & broad
    ]

    assert catchers == ["worker.py"]


def test_a_secret_is_revealed_only_where_it_was_reviewed() -> None:
    revealers = {
        module.as_posix()
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if called(node) == "reveal"
    }

    assert revealers == REVEALERS


@every_module
def test_every_module_says_what_it_is(module: Path) -> None:
    described = ast.get_docstring(tree_of(module))

    assert described or (ROOT / module).read_text() == ""


@every_module
def test_no_module_is_long(module: Path) -> None:
    assert len((ROOT / module).read_text().splitlines()) <= 300


@every_module
def test_no_function_is_long(module: Path) -> None:
    long = [
        function.name
        for function in functions(module)
        if (function.end_lineno or 0) - function.lineno + 1 > 45
    ]

    assert long == []


@every_module
def test_no_function_takes_many_parameters(module: Path) -> None:
    greedy = [
        function.name for function in functions(module) if len(parameters(function)) > 7
    ]

    assert greedy == [] or part_of(module) == "cli"
