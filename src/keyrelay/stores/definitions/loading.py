"""Loading: reads definitions into a view, all of them or those that have changed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.concurrency.gc_freeze import frozen_for_good
from keyrelay.databases.database import Database
from keyrelay.model.action import Action
from keyrelay.model.action_document import ActionRules
from keyrelay.model.catalog import ordered_by_key
from keyrelay.model.documents import parse_document
from keyrelay.model.policy.policy import Policy, index
from keyrelay.model.policy.policy_document import denying_all, parse_policy
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret
from keyrelay.ports import Unavailable
from keyrelay.stores.audit.checkpoint import Generations
from keyrelay.stores.definitions.definition_index import (
    NOUNS,
    TABLES,
    DefinitionIndex,
    Subject,
    read_index_changes,
)
from keyrelay.stores.definitions.guard import not_before, read_indexes
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.definitions.script_rows import scripted_of
from keyrelay.stores.definitions.seals import IndexEntry, SealKeys, flaw_of
from keyrelay.stores.definitions.secret_rows import sealed_of
from keyrelay.stores.definitions.token_rows import digested_of
from keyrelay.stores.definitions.view import Kept, View, by_profile
from keyrelay.stores.rows import ScopedId, ids_in, log_left_out, rows_of
from keyrelay.stores.schema.tables import changes, installation
from keyrelay.stores.unreadable import AnyRow

log = logging.getLogger(__name__)

T = TypeVar("T")

_REVISION = select(installation.c.history, installation.c.revision)
_ABSENT = "its row is missing or cannot be read"
_UNKNOWN = DefinitionIndex(broken="it has no index")
_MANY = 10_000  # definitions; fewer do not slow the garbage collector down noticeably


async def read_revision(connection: AsyncConnection) -> Revision:
    row = (await connection.execute(_REVISION)).first()
    if row is None:
        raise Unavailable("the database holds no vault: run `keyrelay init`")
    return Revision(row.history or "", row.revision)


async def revision_now(database: Database) -> Revision:
    """Return the revision of the definitions. Raises Unavailable."""
    async with database.reading() as connection:
        return await read_revision(connection)


async def load(
    connection: AsyncConnection, keys: SealKeys, noted: Generations, rules: ActionRules
) -> View:
    """Read all definitions; `noted` are generations known from before.

    Raises Unavailable.
    """
    ids = {noun: await ids_in(connection, table) for noun, table in TABLES.items()}
    revision = await read_revision(connection)
    indexes = await read_indexes(connection, keys, noted)
    for profile, listed in indexes.items():
        for noun, id_ in listed.entries:
            ids[noun].append((profile, id_))
    view = View(revision=revision, indexes=indexes)
    _log_closed(View(), view)
    many = sum(map(len, ids.values())) > _MANY
    with frozen_for_good() if many else nullcontext():
        return await _loaded(connection, keys, rules, view, ids)


async def load_changes(
    connection: AsyncConnection, keys: SealKeys, rules: ActionRules, view: View
) -> View:
    """Read the definitions changed since the view. Raises Unavailable."""
    since = select(changes).where(changes.c.revision > view.revision.number)
    ids: dict[Noun, list[ScopedId]] = {noun: [] for noun in Noun}
    changed: dict[str, list[Subject]] = {}
    for change in await connection.execute(since):
        # A newer Keyrelay on the same database may know more nouns: skip those.
        if (noun := NOUNS.get(change.noun)) is not None:
            ids[noun].append((change.profile, change.subject))
            changed.setdefault(change.profile, []).append((noun, change.subject))
    revision = await read_revision(connection)
    indexes = dict(view.indexes)
    for profile, subjects in changed.items():
        before = indexes.get(profile, _UNKNOWN)
        read = await read_index_changes(connection, keys, profile, before, subjects)
        indexes[profile] = not_before(read, before.head.generation)
    after = replace(view, revision=revision, indexes=indexes)
    _log_closed(view, after)
    return await _loaded(connection, keys, rules, after, ids)


async def _loaded(
    connection: AsyncConnection,
    keys: SealKeys,
    rules: ActionRules,
    view: View,
    ids: Mapping[Noun, Sequence[ScopedId]],
) -> View:
    """Return the view with the definitions of these ids read again."""
    touched = {scoped for changed in ids.values() for scoped in changed}
    left_out = {id_: why for id_, why in view.left_out.items() if id_ not in touched}
    reading = _ChangedRows(
        connection=connection, keys=keys, view=view, ids=ids, left_out=left_out
    )
    old = view.kept
    kept = Kept(
        actions=await reading.reload(Noun.ACTION, old.actions, _actions_by(rules)),
        secrets=await reading.reload(Noun.SECRET, old.secrets, _sealed_by(rules)),
        policies=await reading.reload(Noun.POLICY, old.policies, _policy),
        analyses=await reading.reload(Noun.ANALYSIS, old.analyses, scripted_of),
        tokens=await reading.reload(Noun.TOKEN, old.tokens, digested_of),
    )
    denying = reading.with_denials(kept.policies)
    return replace(
        view,
        kept=replace(kept, policies=denying),
        compiled=by_profile(old.policies, denying, view.compiled, index),
        by_key=by_profile(old.secrets, kept.secrets, view.by_key, ordered_by_key),
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangedRows:
    """`left_out` is filled with what is not vouched for or cannot be read."""

    connection: AsyncConnection
    keys: SealKeys
    view: View
    ids: Mapping[Noun, Sequence[ScopedId]]
    left_out: dict[ScopedId, str]

    async def reload(
        self, noun: Noun, old: Mapping[ScopedId, T], parse: Callable[[AnyRow], T]
    ) -> Mapping[ScopedId, T]:
        """Return `old` with the changed rows read again, less those left out."""
        changed = dict.fromkeys(self.ids[noun])
        if not changed:
            return old
        new = dict(old)
        for scoped in changed:
            new.pop(scoped, None)
        missing = dict.fromkeys(each for each in changed if self._entry(noun, each))
        ids = list(dict.fromkeys(id_ for _, id_ in changed))
        async for row in rows_of(self.connection, TABLES[noun], ids):
            scoped = (row.profile, row.id)
            missing.pop(scoped, None)
            values = row._asdict()
            flaw = flaw_of(self.keys, noun, values, self._entry(noun, scoped))
            if flaw is not None:
                self._leave_out(noun, scoped, flaw)
                continue
            try:
                new[scoped] = parse(row)
            except ValueError as fault:
                self._leave_out(noun, scoped, str(fault))
        for scoped in missing:
            self._leave_out(noun, scoped, _ABSENT)
        return new

    def with_denials(
        self, kept: Mapping[ScopedId, Policy]
    ) -> Mapping[ScopedId, Policy]:
        """Put in a denial for each policy left out that may have denied something."""
        denials = {}
        for profile, id_ in dict.fromkeys(self.ids[Noun.POLICY]):
            entry = self._entry(Noun.POLICY, (profile, id_))
            if (profile, id_) not in kept and entry is not None and entry.denies:
                # What it denied is unknown, so everything is denied.
                extra = {"id": id_, "reason": self.left_out[profile, id_]}
                log.error(
                    "policy unreadable: its profile is denied every secret", extra=extra
                )
                denials[profile, id_] = denying_all(id_, profile)
        return {**kept, **denials} if denials else kept

    def _entry(self, noun: Noun, scoped: ScopedId) -> IndexEntry | None:
        profile, id_ = scoped
        return self.view.indexes.get(profile, _UNKNOWN).entry((noun, id_))

    def _leave_out(self, noun: Noun, scoped: ScopedId, flaw: str) -> None:
        profile, id_ = scoped
        if self.view.indexes.get(profile, _UNKNOWN).broken:
            return  # it is the profile that is told
        self.left_out[scoped] = flaw
        log_left_out(noun, id_, flaw)


def _log_closed(before: View, after: View) -> None:
    for profile, reason in after.closed.items():
        if before.closed.get(profile) != reason:
            extra = {"profile": profile, "reason": reason}
            log.error("definitions not believed", extra=extra)


def _sealed_by(rules: ActionRules) -> Callable[[AnyRow], SealedSecret]:
    known = rules.secret_types

    def sealed(row: AnyRow) -> SealedSecret:
        if row.type not in known:
            raise ValueError("its type is unknown")
        return sealed_of(row)

    return sealed


def _actions_by(rules: ActionRules) -> Callable[[AnyRow], Action]:
    return lambda row: rules.parse(_document_of(row), row.id, row.profile)


def _policy(row: AnyRow) -> Policy:
    return parse_policy(_document_of(row), row.id, row.profile)


def _document_of(row: AnyRow) -> Mapping[str, object]:
    return parse_document(str(row.document))
