"""Loading: reads definitions into a view, all of them or those that have changed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.gc_freeze import frozen_for_good
from keyrelay.model.action import TARGET, Action
from keyrelay.model.action_document import ActionRules
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
from keyrelay.stores.rows import AnyRow, ScopedId, ids_in, log_left_out, rows_of
from keyrelay.stores.schema.tables import (
    actions,
    changes,
    installation,
    policies,
    secrets,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_TABLES = {Noun.SECRET: secrets, Noun.ACTION: actions, Noun.POLICY: policies}
_NOUNS = {noun.value: noun for noun in Noun}
_MANY = 10_000  # definitions; fewer do not slow the garbage collector down noticeably
# Stands in for a policy that cannot be read.
_DENY_ALL = {
    "name": "unreadable",
    "targets": [[TARGET], ["analysis"]],
    "permissions": [{"effect": "deny", "action": [*VERBS], "resource": [RESOURCE]}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All definitions as of one revision.

    `versions` are those of the secrets, `indexes` the policies of each profile.
    """

    revision: int = -1
    versions: Versions | None = None
    actions: Mapping[ScopedId, Action] = field(default_factory=dict)
    secrets: Mapping[ScopedId, SealedSecret] = field(default_factory=dict)
    policies: Mapping[ScopedId, Policy] = field(default_factory=dict)
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


async def load(connection: AsyncConnection, mac: Mac, rules: ActionRules) -> View:
    """Read all definitions. Raises Unavailable."""
    ids = {noun: await ids_in(connection, table) for noun, table in _TABLES.items()}
    revision = await read_revision(connection)
    view = replace(View(), revision=revision)
    many = sum(map(len, ids.values())) > _MANY
    with frozen_for_good() if many else nullcontext():
        return await _loaded(connection, mac, rules, view, ids)


async def load_changes(
    connection: AsyncConnection, mac: Mac, rules: ActionRules, view: View
) -> View:
    """Read the definitions changed since the view. Raises Unavailable."""
    since = select(changes).where(changes.c.revision > view.revision)
    ids: dict[Noun, list[ScopedId]] = {noun: [] for noun in Noun}
    for change in await connection.execute(since):
        # A newer Keyrelay on the same database may know more nouns: skip those.
        if (noun := _NOUNS.get(change.noun)) is not None:
            ids[noun].append((change.profile, change.subject))
    revision = await read_revision(connection)
    view = replace(view, revision=revision)
    return await _loaded(connection, mac, rules, view, ids)


async def _loaded(
    connection: AsyncConnection,
    mac: Mac,
    rules: ActionRules,
    view: View,
    ids: Mapping[Noun, Sequence[ScopedId]],
) -> View:
    """Return the view with the definitions of these ids read again."""
    versions = await _versions(connection, mac, view, ids[Noun.SECRET])
    changed = _ChangedRows(connection=connection, ids=ids)
    new_policies = await changed.reload(Noun.POLICY, view.policies, _policy)
    return View(
        revision=view.revision,
        versions=versions,
        actions=await changed.reload(Noun.ACTION, view.actions, _actions_by(rules)),
        secrets=await changed.reload(
            Noun.SECRET, view.secrets, _sealed_by(versions, rules)
        ),
        policies=new_policies,
        indexes=_indexed(view, new_policies),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangedRows:
    connection: AsyncConnection
    ids: Mapping[Noun, Sequence[ScopedId]]

    async def reload(
        self, noun: Noun, old: Mapping[ScopedId, T], parse: Callable[[AnyRow], T]
    ) -> Mapping[ScopedId, T]:
        """Return `old` with the changed rows read again, less those not readable."""
        changed = dict.fromkeys(self.ids[noun])
        if not changed:
            return old
        new = dict(old)
        for scoped in changed:
            new.pop(scoped, None)
        ids = [id_ for _, id_ in changed]
        async for row in rows_of(self.connection, _TABLES[noun], ids):
            try:
                new[row.profile, row.id] = parse(row)
            except ValueError as fault:
                log_left_out(noun, row.id, str(fault))
        return new


async def _versions(
    connection: AsyncConnection, mac: Mac, view: View, changed: Sequence[ScopedId]
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


def _sealed_by(
    versions: Versions, rules: ActionRules
) -> Callable[[AnyRow], SealedSecret]:
    known = rules.secret_types

    def sealed(row: AnyRow) -> SealedSecret:
        version = versions.of.get(row.id)
        if version is None:
            raise ValueError("it has no valid version: it was put back after its end")
        if row.type not in known:
            raise ValueError("its type is unknown")
        return sealed_of(row, version)

    return sealed


def _actions_by(rules: ActionRules) -> Callable[[AnyRow], Action]:
    return lambda row: rules.parse(_document_of(row), row.id, row.profile)


def _policy(row: AnyRow) -> Policy:
    try:
        return parse_policy(_document_of(row), row.id, row.profile)
    except InvalidDefinition as fault:
        # What it denied is unknown, so everything is denied.
        log.error(  # noqa: TRY400 - the message says it all
            "policy unreadable: its profile is denied every secret",
            extra={"id": row.id, "reason": str(fault)},
        )
        return parse_policy(_DENY_ALL, row.id, row.profile)


def _document_of(row: AnyRow) -> Mapping[str, object]:
    return parse_document(str(row.document))


def _indexed(view: View, new: Mapping[ScopedId, Policy]) -> Mapping[str, PolicyIndex]:
    """Build new indexes for the profiles in which a policy has changed."""
    old = view.policies
    if new is old:
        return view.indexes
    stale: dict[str, list[Policy]] = {
        scoped[0]: []
        for scoped in old.keys() | new.keys()
        if old.get(scoped) is not new.get(scoped)
    }
    for (profile, _), policy in new.items():
        if profile in stale:
            stale[profile].append(policy)
    return {**view.indexes, **{name: index(those) for name, those in stale.items()}}
