"""The documents about the code name what is there."""

import re
import tomllib
from pathlib import Path

import pytest

from keyrelay.api.border.limits import BorderLimits
from keyrelay.api.tries import WINDOW, FailedTries
from keyrelay.cli.exit_codes import CODES
from tests import refused
from tests.unit.test_architecture import ROWS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "keyrelay"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
API = ROOT / "docs" / "api.md"
DOCUMENTS = [ARCHITECTURE, ROOT / "CONTRIBUTING.md", ROOT / "README.md"]


def paths_in(document: Path) -> set[str]:
    """Return the Python files and folders of the tree that stand in backticks."""
    named = re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)`", document.read_text())
    return {name for name in named if "NAME" not in name and "sms" not in name}


def is_there(name: str) -> bool:
    return (SOURCE / name).exists() or (ROOT / name).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    assert {name for name in paths_in(document) if not is_there(name)} == set()


def test_the_architecture_names_enough_files_to_be_a_map() -> None:
    assert len(paths_in(ARCHITECTURE)) > 20


def test_the_table_of_rooms_is_the_rule() -> None:
    table = re.findall(r"^\| (\d+) \| ([^|]+)\|", ARCHITECTURE.read_text(), re.M)
    told = {
        room.rstrip("/").removesuffix(".py"): int(row) - 1
        for row, rooms in table
        for room in re.findall(r"`([a-z./]+)`", rooms)
    }
    built = {
        room: row
        for row, rooms in enumerate(ROWS)
        for room in rooms
        if (SOURCE / room).is_dir() or (SOURCE / f"{room}.py").is_file()
    }
    built.pop("__main__")

    assert told == built


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text().replace(f"]({_tree()}", "](")
    links = re.findall(r"\]\(([^)#:]+)\)", text)

    assert links
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_links_of_the_readme_lead_somewhere_on_an_index_too() -> None:
    """An index shows it alone, without the files beside it."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())

    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_every_sentence_of_a_refusal_stands_in_its_document() -> None:
    """After a change: `make refused`."""
    assert refused.DOCUMENT.read_text() == refused.page()


def test_every_foreseen_failure_has_a_section() -> None:
    kinds = {kind for section in refused.SECTIONS for kind in section.kinds}

    assert {kind.__name__ for kind in CODES} - kinds == set()


def _tree() -> str:
    """Return where the files of the repository stand, as the package's metadata say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"{project['urls']['Repository']}/blob/main/"


def test_the_limits_of_the_api_are_those_that_its_document_tells() -> None:
    limits = BorderLimits()
    head, body, connections = limits.head, limits.body, limits.connections
    within = f"{head.within.seconds} s"
    rate = f"{body.least >> 10} KiB in each"
    told = {
        "connections in all": f"{connections.in_all},",
        "connections from one address (IPv6: one /64)": f"{connections.per_address};",
        "TLS handshake": within,
        "time to a complete head": f"{within} ",
        "target": f"{head.target >> 10} KiB",
        "head": f"{head.size >> 10} KiB, {head.fields} fields",
        "time without a request": f"{connections.idle.seconds} s",
        "requests sent ahead on one connection": f"{connections.pipelined}",
        "body's rate": f"{rate} {body.window.seconds} s,",
        "all bodies together": f"{body.shared >> 20} MiB, beside the first"
        f" {body.own >> 10} KiB",
        "an answer's rate": f"the client reads {body.least >> 10} KiB of what waits for"
        f" it in each {connections.stalled.seconds} s",
        "wrong tokens from one address (IPv6: one /64)": (
            f"{FailedTries(clock=float).most} in a minute"
        ),
    }

    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", API.read_text(), re.M))

    assert {what: rows[what][: len(most)] for what, most in told.items()} == told
    assert WINDOW == 60
