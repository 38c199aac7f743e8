"""Records: what it costs to keep that an attempt was made, and to list it."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from keyrelay.app.founding import initialise
from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import Store, open_store
from keyrelay.model.audit import AttemptIdentity, AttemptRecord, Report
from keyrelay.model.audit_document import document_of
from keyrelay.model.outcome import Delivered
from keyrelay.model.settlement import Done
from keyrelay.stores.audit.projection import project
from tests.bench.definitions import action_id
from tests.bench.measure import Measure, measuring
from tests.bench.sheet import Sheet

_TOGETHER = 100  # records of one transaction
_ACTIONS = 50
_ROUNDS = 5

_KEPT, _LISTED = "a record, kept and listed", "of which it is listed and counted"


def sheets(asked: argparse.Namespace) -> Iterator[Sheet]:
    count = _TOGETHER * max(1, asked.triggers // _TOGETHER)
    with tempfile.TemporaryDirectory(prefix="keyrelay-bench-") as folder:
        settings = load_settings(None, {"home": Path(folder) / "home"})
        measures = uvloop.run(_measured(settings, count))
    yield Sheet(
        title=f"Audit records, {_TOGETHER} in a transaction: the best of {_ROUNDS}"
        " rounds",
        measures=measures,
        against=_KEPT,
    )


async def _measured(settings: Settings, count: int) -> Sequence[Measure]:
    profile = (await initialise(settings, "bench")).profile.id
    kept, listed = list[Measure](), list[Measure]()
    async with open_store(settings) as store:
        for _ in range(_ROUNDS):
            with measuring(_KEPT, count, kept.append):
                for records in _records(store, profile, count):
                    await store.audit_log.keep_records(records)
            await _list(store, [*_records(store, profile, count)], listed)
    return [min(each, key=lambda one: one.cpu) for each in (kept, listed)]


async def _list(
    store: Store, groups: Sequence[Sequence[AttemptRecord]], into: list[Measure]
) -> None:
    """Measure the projection alone, without the commit that it shares."""
    documents = [[*map(document_of, records)] for records in groups]
    async with store.database.writing() as connection:
        with measuring(_LISTED, sum(map(len, groups)), into.append):
            for each in documents:
                await project(connection, "0" * 24, each)


def _records(
    store: Store, profile: str, count: int
) -> Iterator[Sequence[AttemptRecord]]:
    world = store.audit_log.world
    for first in range(0, count, _TOGETHER):
        now = world.now()
        yield [
            AttemptRecord(
                id=world.new_id(now),
                attempt=AttemptIdentity(
                    profile=profile,
                    trigger=f"t{number}",
                    action=action_id(number % _ACTIONS),
                    number=1,
                    repeats=False,
                    started_at=now,
                ),
                report=Report(outcome=Delivered("250 taken")),
                settlement=Done(),
                at=now,
            )
            for number in range(first, first + _TOGETHER)
        ]
