"""AsyncAPI: the official JSON Schema of its documents, from its own npm package."""

import tarfile
from pathlib import Path

from tests.services import debian, program
from tests.services.cache import building

NAME = "AsyncAPI"

_VERSION = "6.11.1"
_PACKAGE = "@asyncapi/specs"
_SCHEMA = "package/schemas/3.0.0.json"


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    schema = _folder(cache) / "schema.json"
    return schema if schema.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    npm = debian.install("npm", package="npm")
    target = _folder(cache)
    print(f"{NAME}: fetching the schema {_VERSION} with npm into {target}", flush=True)
    with building(target) as unfinished:
        wanted = f"{_PACKAGE}@{_VERSION}"
        program.run([npm, "pack", wanted, "--silent"], directory=unfinished)
        (archive,) = unfinished.glob("*.tgz")
        with tarfile.open(archive) as files:
            schema = files.extractfile(_SCHEMA)
            assert schema is not None
            (unfinished / "schema.json").write_bytes(schema.read())
        archive.unlink()
    return target / "schema.json"


def _folder(cache: Path) -> Path:
    return cache / f"asyncapi-{_VERSION}"
