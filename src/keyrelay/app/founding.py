"""Founding: an installation made, from its data directory to its first profile."""

from dataclasses import dataclass
from pathlib import Path

from keyrelay.app.home import keep_private
from keyrelay.app.settings import Settings
from keyrelay.app.store import (
    Store,
    make_current,
    migrate_tables,
    open_store,
    vault_over,
)
from keyrelay.databases.database import Database
from keyrelay.databases.opening import open_database
from keyrelay.model.secret import SecretValue
from keyrelay.model.token import AccessLevel
from keyrelay.model.world import real_world
from keyrelay.stores.audit.log import open_audit_log
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.tokens import TokenStore
from keyrelay.stores.installation import (
    Installation,
    Profile,
    create_installation,
    create_profile,
    list_profiles,
    read_installation,
)
from keyrelay.stores.schema.age import Age, age_of
from keyrelay.vault.keyring import KeyEncryptionKey, new_keys
from keyrelay.vault.providers import environment, file


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What `initialise` did: what was already there, it left alone."""

    founded: bool
    key_file: Path | None
    profile: Profile
    profile_created: bool
    token: SecretValue | None = None


async def initialise(
    settings: Settings, actor: str, *, first_token: bool = False
) -> Founding:
    """Make what is missing: data directory, database, first keys, profile.

    A profile that is made gets a token with all rights in it, if a `first_token` is
    wanted. Repeatable. A key is never made where wrapped data keys exist. Raises
    Unavailable, DatabaseTooNew and DatabaseTooOld.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_private(settings.home, settings.key_path)
    async with open_database(settings.database_url) as database:
        if await age_of(database) is Age.NONE:
            await migrate_tables(database)
        else:
            await make_current(database)
        if await read_installation(database) is None:
            return await _found(settings, database, actor, first_token=first_token)
    async with open_store(settings) as store:
        # An installation whose key is lost is not set up.
        await store.vault.check()
        return await _in(store, settings.profile, actor, first_token=first_token)


async def _in(store: Store, name: str, actor: str, *, first_token: bool) -> Founding:
    """Make the profile, if it is missing."""
    profiles = await list_profiles(store.database)
    known = next((each for each in profiles if each.name == name), None)
    tokens = store.definitions.tokens if first_token and known is None else None
    profile = known or await create_profile(store.audit_log, name, actor)
    return Founding(
        founded=False,
        key_file=None,
        profile=profile,
        profile_created=known is None,
        token=await _first_token(tokens, profile, actor),
    )


async def _found(
    settings: Settings, database: Database, actor: str, *, first_token: bool
) -> Founding:
    world = real_world()
    now = world.now()
    profile = Profile(id=world.new_id(now), name=settings.profile)
    key_file = None if settings.key else settings.key_path
    store_id = world.new_id(now)
    keys = await new_keys(_first_key(settings), store_id, world.now, world.new_id)
    installed = Installation(store=store_id, keys=keys)
    vault = vault_over(settings, installed, world)
    async with open_audit_log(
        database, vault, world, settings.checkpoint_path
    ) as audit_log:
        await create_installation(audit_log, installed, profile, actor)
        journal = Journal(audit_log=audit_log)
        tokens = TokenStore(database=database, journal=journal) if first_token else None
        return Founding(
            founded=True,
            key_file=key_file,
            profile=profile,
            profile_created=True,
            token=await _first_token(tokens, profile, actor),
        )


async def _first_token(
    tokens: TokenStore | None, profile: Profile, actor: str
) -> SecretValue | None:
    if tokens is None:
        return None
    document = {"name": "first", "permission": AccessLevel.FULL.word}
    return (await tokens.create(profile.id, document, actor)).plaintext


def _first_key(settings: Settings) -> KeyEncryptionKey:
    """Return the key that is there, or make it: nothing was sealed with one yet."""
    if settings.key is not None:
        return environment.load(settings.key.get_secret_value())
    path = settings.key_path
    return file.create(path) if file.is_blank(path) else file.load(path)
