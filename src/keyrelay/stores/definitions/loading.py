"""Loading: definitions from the database into a view, all of them or what changed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.gc_freeze import frozen_for_good
from keyrelay.model.action import TARGET, Action
from keyrelay.model.action_document import parse_action
from keyrelay.model.catalog import Catalog
from keyrelay.model.documents import InvalidDefinition, parse_document
from keyrelay.model.policy.policy import Policy, PolicyIndex, index, parse_policy
from keyrelay.model.policy.rule import VERBS
from keyrelay.model.secret import RESOURCE, SealedSecret
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.chain import Mac
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.secret_rows import sealed_of
from keyrelay.stores.definitions.versions import Versions, read_versions
from keyrelay.stores.rows import AnyRow, Place, places_in, rows_of
from keyrelay.stores.schema.tables import (
    actions,
    changes,
    installation,
    policies,
    secrets,
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

T = TypeVar("T")

_TABLES = {Noun.SECRET: secrets, Noun.ACTION: actions, Noun.POLICY: policies}
_NOUNS = {noun.value: noun for noun in Noun}
_MANY = 10_000  # definitions; fewer are no burden to Python's cycle collector
# Stands in for a policy that cannot be read.
_DENY_ALL = {
    "name": "unreadable",
    "targets": [[TARGET], ["analysis"]],
    "permissions": [{"effect": "deny", "action": [*VERBS], "resource": [RESOURCE]}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All definitions as of one revision; `versions` are those of the secrets."""

    revision: int = -1
    versions: Versions | None = None
    actions: Mapping[Place, Action] = field(default_factory=dict)
    secrets: Mapping[Place, SealedSecret] = field(default_factory=dict)
    policies: Mapping[Place, Policy] = field(default_factory=dict)
    indexes: Mapping[str, PolicyIndex] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog:
        return Catalog(
            revision=self.revision,
            actions=self.actions,
            secrets=self.secrets,
            policies=self.indexes,
        )


async def read_revision(connection: AsyncConnection) -> int:
    revision: int | None = await connection.scalar(select(installation.c.revision))
    if revision is None:
        raise Unavailable("the database holds no vault: run `keyrelay init`")
    return revision


async def load(connection: AsyncConnection, mac: Mac) -> View:
    """Read everything. Raises Unavailable."""
    places = {
        noun: await places_in(connection, table) for noun, table in _TABLES.items()
    }
    revision = await read_revision(connection)
    view = replace(View(), revision=revision)
    many = sum(map(len, places.values())) > _MANY
    with frozen_for_good() if many else nullcontext():
        return await _loaded(connection, mac, view, places)


async def load_changes(connection: AsyncConnection, mac: Mac, view: View) -> View:
    """Read what has changed since the view. Raises Unavailable."""
    since = select(changes).where(changes.c.revision > view.revision)
    places: dict[Noun, list[Place]] = {noun: [] for noun in Noun}
    for change in await connection.execute(since):
        # A newer Keyrelay beside us may know more nouns; they are none of ours.
        if (noun := _NOUNS.get(change.noun)) is not None:
            places[noun].append((change.profile, change.subject))
    revision = await read_revision(connection)
    return await _loaded(connection, mac, replace(view, revision=revision), places)


async def _loaded(
    connection: AsyncConnection,
    mac: Mac,
    view: View,
    places: Mapping[Noun, Sequence[Place]],
) -> View:
    """Return the view with what is at these places read anew."""
    versions = await _versions(connection, mac, view, places[Noun.SECRET])
    read = _Reading(connection=connection, places=places)
    of_policies = await read.anew(Noun.POLICY, view.policies, _policy)
    return View(
        revision=view.revision,
        versions=versions,
        actions=await read.anew(Noun.ACTION, view.actions, _action),
        secrets=await read.anew(Noun.SECRET, view.secrets, _sealed_by(versions)),
        policies=of_policies,
        indexes=_indexed(view, of_policies),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    connection: AsyncConnection
    places: Mapping[Noun, Sequence[Place]]

    async def anew(
        self, noun: Noun, old: Mapping[Place, T], parse: Callable[[AnyRow], T]
    ) -> Mapping[Place, T]:
        """Return the old ones, those changed read anew or, if need be, left out."""
        changed = dict.fromkeys(self.places[noun])
        if not changed:
            return old
        new = dict(old)
        for place in changed:
            new.pop(place, None)
        ids = [id_ for _, id_ in changed]
        async for row in rows_of(self.connection, _TABLES[noun], ids):
            try:
                new[row.profile, row.id] = parse(row)
            except ValueError as fault:
                log.error("definition left out", noun=noun, id=row.id, why=str(fault))  # noqa: TRY400
        return new


async def _versions(
    connection: AsyncConnection, mac: Mac, view: View, changed: Sequence[Place]
) -> Versions:
    if view.versions is not None and not changed:
        return view.versions
    versions = await read_versions(connection, mac)
    if view.versions is not None and versions.generation < view.versions.generation:
        raise Unavailable(
            "the versions of the secrets are older than they were:"
            " if a backup was restored on purpose, restart"
        )
    return versions


def _sealed_by(versions: Versions) -> Callable[[AnyRow], SealedSecret]:
    def sealed(row: AnyRow) -> SealedSecret:
        version = versions.of.get(row.id)
        if version is None:
            raise ValueError("it has no valid version: it was put back after its end")
        return sealed_of(row, version)

    return sealed


def _action(row: AnyRow) -> Action:
    return parse_action(_document(row), row.id, row.profile)


def _policy(row: AnyRow) -> Policy:
    try:
        return parse_policy(_document(row), row.id, row.profile)
    except InvalidDefinition as fault:
        # It may have denied something, and nobody knows what.
        log.error(  # noqa: TRY400 - the document's own words
            "policy unreadable: its profile is denied every secret",
            id=row.id,
            why=str(fault),
        )
        return parse_policy(_DENY_ALL, row.id, row.profile)


def _document(row: AnyRow) -> Mapping[str, object]:
    return parse_document(str(row.document))


def _indexed(view: View, new: Mapping[Place, Policy]) -> Mapping[str, PolicyIndex]:
    """Index anew the profiles in which a policy has changed."""
    old = view.policies
    if new is old:
        return view.indexes
    touched: dict[str, list[Policy]] = {
        place[0]: []
        for place in old.keys() | new.keys()
        if old.get(place) is not new.get(place)
    }
    for (profile, _), policy in new.items():
        if profile in touched:
            touched[profile].append(policy)
    return {**view.indexes, **{name: index(those) for name, those in touched.items()}}
