"""Ground: a database and a folder that a house can be built on, and by neighbours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.postgresql import PostgreSql

# For what only this one of the databases can be made to do.
on_sqlite = pytest.mark.parametrize("ground", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("ground", ["postgresql"], indirect=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What several processes share: the database at `url`, and a folder of files.

    All that the database keeps lies in the folder `kept`.
    """

    url: str
    folder: Path
    kept: Path


def in_a_file(folder: Path) -> Ground:
    url = f"sqlite:///{folder / 'keyrelay.db'}"
    return Ground(url=url, folder=folder, kept=folder)


@contextmanager
def on_a_server(server: PostgreSql, template: str, folder: Path) -> Iterator[Ground]:
    """Give a database that is like the template, for as long as it is needed."""
    name = server.create(template)
    try:
        yield Ground(url=server.url(name), folder=folder, kept=server.data)
    finally:
        server.drop(name)
