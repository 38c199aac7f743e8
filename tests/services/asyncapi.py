"""AsyncAPI: the official JSON Schema of its documents, from its own npm package."""

from pathlib import Path

from tests.services import npm

NAME = "AsyncAPI"

_VERSION = "6.11.1"


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    schema = _schema(cache)
    return schema if schema.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    schema = _schema(cache)
    where = schema.parent
    print(f"{NAME}: fetching the schema {_VERSION} with npm into {where}", flush=True)
    wanted, member = f"@asyncapi/specs@{_VERSION}", "package/schemas/3.0.0.json"
    npm.unpack(wanted, member, schema)
    return schema


def _schema(cache: Path) -> Path:
    return cache / f"asyncapi-{_VERSION}" / "schema.json"
