"""Fetch the services that tests need: `python -m tests.services`."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.services import (
    asyncapi,
    axe,
    bubblewrap,
    cache,
    chromium,
    compose,
    dovecot,
    elasticmq,
    helm,
    kafka,
    kcat,
    localstack,
    mailhog,
    mailpit,
    pgbouncer,
    postfix,
    postgresql,
    smtp_server,
    stunnel,
    tagoio_sdk,
    tagoio_wheels,
)
from tests.services.service import Service, Unavailable

SERVICES: tuple[Service, ...] = (
    mailhog,
    mailpit,
    smtp_server,
    stunnel,
    dovecot,
    postfix,
    localstack,
    elasticmq,
    kafka,
    kcat,
    postgresql,
    pgbouncer,
    helm,
    compose,
    asyncapi,
    tagoio_sdk,
    tagoio_wheels,
    bubblewrap,
    chromium,
    axe,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    service: str
    version: str
    where: str
    fetched: str
    missing: bool = False


def main() -> int:
    location = cache.location()
    with cache.locked(location):
        rows = [_fetch(service, location) for service in SERVICES]
    _show(rows)

    missing = [row for row in rows if row.missing]
    strict = os.environ.get("CI") == "true"
    for row in missing:
        consequence = "and CI needs it" if strict else "so its tests will be skipped"
        print(f"{row.service} cannot be had, {consequence}: {row.where}.")
    return 1 if missing and strict else 0


def _fetch(service: Service, location: Path) -> Row:
    there = service.installed(location) is not None
    try:
        where = str(service.install(location))
    except Unavailable as reason:
        return Row(
            service=service.NAME,
            version="-",
            where=str(reason),
            fetched="no",
            missing=True,
        )
    return Row(
        service=service.NAME,
        version=service.version(),
        where=where,
        fetched="already there" if there else "now",
    )


def _show(rows: list[Row]) -> None:
    head = Row(service="service", version="version", where="where", fetched="fetched")
    name = max(len(row.service) for row in rows)
    width = max(len(row.version) for row in rows)
    print()
    for row in (head, *rows):
        where = "-" if row.missing else row.where
        print(
            f"{row.service:<{name}}  {row.version:<{width}}  {row.fetched:<13}  {where}"
        )
    print()


if __name__ == "__main__":
    sys.exit(main())
