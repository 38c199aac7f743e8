"""The architecture, as a test: what may import, make, catch and reveal what."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.source import MODULES, text_of, tree_of

# Each row may import what stands above it here, and nothing beside it. The adapters
# never see the engine: they know its ports. The CLI starts the other faces.
ROWS = (
    {"concurrency", "network"},
    {"model"},
    {"ports"},
    {"engine", "vault", "databases"},
    {"stores", "sources", "dispatchers", "observability"},
    {"services"},
    {"app"},
    {"api"},
    {"console"},
    {"cli"},
    {"demo", "__main__"},
)
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
ADAPTERS = ROWS[3] - {"engine"} | ROWS[4]
# Rooms whose modules know the standard library and Keyrelay alone.
PURE = {"concurrency", "network", "model", "ports", "engine"}
# But for tables that only a library keeps.
TABLES = {"model/scripts.py": "unicodedataplus"}
# Libraries of faces and settings, which services do without.
FACES = {"typer", "click", "rich", "fastapi", "pydantic"}
# Each is a review point: what is revealed here must be gone when the call returns.
REVEALERS = {
    "api/routes/analyses.py",
    "api/routes/runs.py",
    "api/routes/tokens.py",
    "cli/analysis.py",
    "cli/init.py",
    "cli/token.py",
    "model/credentials.py",
    "model/release.py",
    "dispatchers/script/hosting.py",
    "dispatchers/smtp/opener.py",
    "dispatchers/smtp/auth.py",
    "dispatchers/script/console.py",
    "dispatchers/sqs/client.py",
    "services/console_scrubbing.py",
    "services/events/external_runs.py",
    "sources/kafka/connecting/connection.py",
    "stores/definitions/secrets.py",
    "stores/definitions/token_making.py",
    "vault/envelope.py",
    "vault/local_key.py",
}
every_module = pytest.mark.parametrize("module", MODULES, ids=str)


def dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


def room_of(name: str) -> str:
    """Return the room in which that dotted name stands, below `keyrelay`."""
    return name.partition(".")[0]


def rooms_seen(module: Path) -> set[str]:
    """Return the other rooms that a module imports from, typing imports included."""
    ours = {
        room_of(name.removeprefix("keyrelay."))
        for name in imported(module)
        if name.startswith("keyrelay.")
    }
    return ours - {room_of(dotted(module)), "__version__"}


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
def test_every_module_stands_in_a_room(module: Path) -> None:
    assert room_of(dotted(module)) in ROW


@every_module
def test_imports_point_down(module: Path) -> None:
    row = ROW[room_of(dotted(module))]

    assert {room for room in rooms_seen(module) if ROW[room] >= row} == set()


@every_module
def test_adapters_never_see_the_engine(module: Path) -> None:
    assert room_of(dotted(module)) not in ADAPTERS or "engine" not in rooms_seen(module)


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
    assert "TYPE_CHECKING" not in text_of(module)


@every_module
def test_technology_stays_below_the_ports_and_in_the_faces(module: Path) -> None:
    known = sys.stdlib_module_names | {"keyrelay"}
    foreign = {name.split(".")[0] for name in imported(module)} - known

    foreign -= {TABLES.get(module.as_posix(), "")}
    assert foreign == set() or room_of(dotted(module)) not in PURE


@pytest.mark.parametrize(
    "module", [each for each in MODULES if each.parts[0] == "services"], ids=str
)
def test_services_know_no_face_and_no_settings(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imported(module)}

    assert not libraries & FACES
    assert not rooms_seen(module) & {"app", *ROWS[7], *ROWS[8]}


def test_only_policy_makes_permits() -> None:
    makers = {
        str(module)
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if called(node) == "Permit" or renamed(node) == "Permit"
    }

    assert makers == {"model/policy/policy.py"}


def test_one_broad_catch_stands_in_the_worker_alone() -> None:
    broad = {"everything", "Exception", "BaseException", "CancelledError"}
    catchers = [
        str(module)
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if caught(node) & broad
    ]

    assert catchers == ["engine/worker.py"]


def test_a_secret_is_revealed_only_where_it_was_reviewed() -> None:
    revealers = {
        module.as_posix()
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if called(node) == "reveal"
    }

    assert revealers == REVEALERS


def test_a_text_is_compared_with_a_secret_only_where_a_run_has_both() -> None:
    comparers = [
        module.as_posix()
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if called(node) == "is_same_text"
    ]

    assert comparers == ["engine/releasing.py"]


@every_module
def test_every_module_says_what_it_is(module: Path) -> None:
    described = ast.get_docstring(tree_of(module))

    assert described or text_of(module) == ""
