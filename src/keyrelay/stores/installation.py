"""Installation: the store's name, its wrapped keys and its profiles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Row, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.audit import Change, ChangeRecord
from keyrelay.model.documents import InvalidDefinition, require_label
from keyrelay.stores.audit.log import ChainedLog, Recording
from keyrelay.stores.definitions.indexing import create_index
from keyrelay.stores.definitions.seals import SealKeys, seal_keys
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.schema.tables import installation, profiles, wrapped_keys
from keyrelay.vault.keyring import Purpose, WrappedKey

LONGEST_NAME = 100


class KeysExist(Exception):
    """There are keys already; new ones would make all sealed values unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The id of the store and its wrapped keys, which its vault is made of."""

    store: str
    keys: Sequence[WrappedKey]


async def read_installation(database: Database) -> Installation | None:
    """Return the installation; None, there is none yet. Raises Unavailable."""
    async with database.reading() as connection:
        store = await connection.scalar(select(installation.c.store))
        rows = await connection.execute(select(wrapped_keys))
        keys = tuple(_wrapped_key(row) for row in rows)
    return None if store is None else Installation(store=store, keys=keys)


async def read_upgraded_at(database: Database) -> datetime | None:
    """Return since when ids are made up as now; None, they always were.

    Raises Unavailable.
    """
    async with database.reading() as connection:
        found: datetime | None = await connection.scalar(
            select(installation.c.upgraded_at)
        )
    return found


async def create_installation(
    audit_log: ChainedLog, created: Installation, profile: Profile, actor: str
) -> None:
    """Write the first keys and the first profile. Raises KeysExist, Unavailable.

    The vault of the audit log must be made of these keys.
    """
    seal = await seal_keys(audit_log.vault)
    async with audit_log.recording() as recording:
        connection = recording.connection
        if await _has_keys(connection):
            raise KeysExist("this database holds keys already: nothing was changed")
        await connection.execute(
            insert(installation).values(
                id=1,
                store=created.store,
                revision=0,
                generation=0,
                versions_mac=b"",
                history=audit_log.world.new_id(audit_log.world.now()),
            )
        )
        rows = [asdict(key) for key in created.keys]
        await connection.execute(insert(wrapped_keys), rows)
        await _insert_profile(recording, seal, profile)
        recording.append(_creation(audit_log, profile, actor, "profile", profile.id))
        for key in created.keys:
            recording.append(_creation(audit_log, profile, actor, "key", key.id))


async def create_profile(audit_log: ChainedLog, name: str, actor: str) -> Profile:
    """Raises InvalidDefinition if the name is taken, or Unavailable."""
    require_label(name, "a profile's name", longest=LONGEST_NAME)
    profile = Profile(id=audit_log.world.new_id(audit_log.world.now()), name=name)
    seal = await seal_keys(audit_log.vault)
    async with audit_log.recording() as recording:
        await _insert_profile(recording, seal, profile)
        recording.append(_creation(audit_log, profile, actor, "profile", profile.id))
    return profile


async def rename_profile(
    audit_log: ChainedLog, found: Profile, new_name: str, actor: str
) -> Profile:
    """Give the profile another name; its id stays, and with it all that is its own.

    Raises InvalidDefinition if the new name is taken, or Unavailable.
    """
    require_label(new_name, "a profile's name", longest=LONGEST_NAME)
    profile = Profile(id=found.id, name=new_name)
    async with audit_log.recording() as recording:
        renamed = update(profiles).where(profiles.c.id == found.id)
        try:
            await recording.connection.execute(renamed.values(name=new_name))
        except IntegrityError:
            raise _taken(new_name) from None
        record = _creation(audit_log, profile, actor, "profile", profile.id)
        detail = f"{found.name}, from now on {new_name}"
        changed = replace(record, change=Change.EDITED, detail=detail, generation=None)
        recording.append(changed)
    return profile


async def list_profiles(database: Database) -> tuple[Profile, ...]:
    async with database.reading() as connection:
        rows = await connection.execute(select(profiles).order_by(profiles.c.name))
        return tuple(Profile(id=row.id, name=row.name) for row in rows)


async def find_profile(database: Database, name: str) -> Profile:
    """Return the profile of that name, or raise NotFound."""
    async with database.reading() as connection:
        id_ = await connection.scalar(
            select(profiles.c.id).where(profiles.c.name == name)
        )
    if id_ is None:
        raise NotFound("profile", name)
    return Profile(id=id_, name=name)


async def _has_keys(connection: AsyncConnection) -> bool:
    installed = exists(select(installation.c.id))
    keyed = exists(select(wrapped_keys.c.id))
    return bool(await connection.scalar(select(installed | keyed)))


async def _insert_profile(
    recording: Recording, keys: SealKeys, profile: Profile
) -> None:
    connection = recording.connection
    try:
        await connection.execute(insert(profiles).values(asdict(profile)))
    except IntegrityError:
        raise _taken(profile.name) from None
    await create_index(connection, keys, profile.id)
    recording.generations[profile.id] = 0


def _taken(name: str) -> InvalidDefinition:
    return InvalidDefinition(f"profile {name!r} is there already")


def _creation(
    audit_log: ChainedLog, profile: Profile, actor: str, noun: str, subject: str
) -> ChangeRecord:
    now = audit_log.world.now()
    return ChangeRecord(
        id=audit_log.world.new_id(now),
        actor=actor,
        profile=profile.id,
        subject=subject,
        noun=noun,
        change=Change.CREATED,
        detail=profile.name if noun == "profile" else "",
        at=now,
        generation=0 if noun == "profile" else None,
    )


def _wrapped_key(row: Row[tuple[object, ...]]) -> WrappedKey:
    return WrappedKey(
        id=row.id,
        purpose=Purpose(row.purpose),
        provider_key=row.provider_key,
        wrapped=row.wrapped,
        created_at=row.created_at,
    )
