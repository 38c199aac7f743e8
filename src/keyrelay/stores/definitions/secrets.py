"""Secrets: stored sealed; their values can be replaced, never read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.databases.database import Database
from keyrelay.model.action_document import ActionRules
from keyrelay.model.audit import Change
from keyrelay.model.credentials import (
    SecretEdit,
    SecretRules,
    parse_secret,
    parse_secret_edit,
)
from keyrelay.model.documents import (
    InvalidDefinition,
    without_read_only,
)
from keyrelay.model.ids import Beginnings
from keyrelay.model.secret import SealedSecret, Secret
from keyrelay.stores.definitions.journal import Journal
from keyrelay.stores.definitions.listing import (
    Listing,
    Noun,
    forget_tags,
    keep_tags,
    listed,
)
from keyrelay.stores.definitions.secret_rows import row_of, sealed_of, settable
from keyrelay.stores.definitions.secret_users import (
    refuse_in_use,
    require_fifo_fits,
)
from keyrelay.stores.refusals import (
    EditedMeanwhile,
    NotFound,
    require_expected,
)
from keyrelay.stores.rows import ids_beginning
from keyrelay.stores.schema.tables import actions, pauses, secrets
from keyrelay.stores.unreadable import ONE, UnreadableRow, read_rows, require_readable

StoredSecret = SealedSecret | UnreadableRow

_SORTS = {"key": ["folded"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStore:
    """The secrets of all profiles.

    Each method raises Unavailable; those that write raise InvalidDefinition, too.
    """

    database: Database
    journal: Journal
    rules: SecretRules
    actions: ActionRules

    async def create(
        self, profile: str, document: Mapping[str, object], actor: str
    ) -> SealedSecret:
        draft = parse_secret(without_read_only(document), self.rules)
        world, vault = self.journal.audit_log.world, self.journal.audit_log.vault
        now = world.now()
        secret = Secret(
            id=world.new_id(now),
            profile=profile,
            key=draft.key,
            type=draft.type,
            version=1,
            tags=draft.tags,
        )
        sealed = SealedSecret(
            secret=secret,
            envelope=await vault.seal(secret, draft.value),
            value_length=len(draft.value.reveal()),
            fifo=draft.fifo,
            created_at=now,
            updated_at=now,
        )
        async with self.journal.writing(profile, actor) as writing:
            await _insert(writing.connection, sealed)
            await keep_tags(writing.connection, Noun.SECRET, secret.tagged)
            await writing.note(Noun.SECRET, secret.id, Change.CREATED, secret.key)
        return sealed

    async def edit(
        self,
        profile: str,
        id_: str,
        changes: Mapping[str, object],
        actor: str,
        *,
        expected: str | None = None,
    ) -> SealedSecret:
        """Replace value, tags or both, as a new version; the type is left as it is.

        Raises NotFound, EditedMeanwhile, Outdated if its etag is not the `expected`
        one, and Unsealable where only the tags are given and the value, sealed with
        the old ones, does not open.
        """
        found = await self.get(profile, id_)
        require_expected(expected, etag_of(found), f"secret {id_}")
        before = readable(found)
        changes = settable(changes, before.secret)
        edit = parse_secret_edit(changes, before.secret.type, self.rules)
        after = await self._resealed(before, edit)
        secret = after.secret
        async with self.journal.writing(profile, actor) as writing:
            connection = writing.connection
            # The value was sealed before the transaction, so that no other writer
            # waits for a key: the row may have changed in between.
            version = await _version_of(connection, id_)
            require_expected(expected, str(version), f"secret {id_}")
            if version != before.secret.version:
                raise EditedMeanwhile(
                    f"secret {id_} was edited by somebody else: look again"
                )
            await writing.require_sound(Noun.SECRET, id_)
            if after.fifo and not before.fifo:
                await require_fifo_fits(connection, self.actions, profile, id_)
            await connection.execute(
                update(secrets).where(secrets.c.id == id_).values(row_of(after))
            )
            await connection.execute(delete(pauses).where(pauses.c.secret == id_))
            await keep_tags(connection, Noun.SECRET, secret.tagged)
            what = " and ".join(sorted(changes))
            detail = f"{secret.key}: {what}, version {secret.version}"
            await writing.note(Noun.SECRET, id_, Change.EDITED, detail)
        return after

    async def delete(
        self, profile: str, id_: str, actor: str, *, expected: str | None = None
    ) -> None:
        """Raises NotFound, or InUse while an action refers to it.

        Raises Outdated if its etag is not the `expected` one.
        """
        async with self.journal.writing(profile, actor) as writing:
            connection = writing.connection
            # Its id and no more: a row that cannot be read can be deleted, too.
            wanted = _secrets_of(profile).where(secrets.c.id == id_)
            found = await read_rows(connection, wanted, ONE, sealed_of)
            if not found:
                raise NotFound(Noun.SECRET, id_)
            require_expected(expected, etag_of(found[0]), f"secret {id_}")
            await refuse_in_use(connection, profile, id_)
            await connection.execute(delete(secrets).where(secrets.c.id == id_))
            await connection.execute(delete(pauses).where(pauses.c.secret == id_))
            await forget_tags(connection, Noun.SECRET, id_)
            await writing.note(Noun.SECRET, id_, Change.DELETED, key_of(found[0]))

    async def get(self, profile: str, id_: str) -> StoredSecret:
        """Raises NotFound."""
        wanted = _secrets_of(profile).where(secrets.c.id == id_)
        async with self.database.reading() as connection:
            found = await read_rows(connection, wanted, ONE, sealed_of)
        for secret in found:
            return secret
        raise NotFound(Noun.SECRET, id_)

    async def beginning(self, profile: str, sought: Beginnings) -> Sequence[str]:
        """Return the ids that begin so, sorted."""
        return await ids_beginning(self.database, secrets.c.id, profile, sought)

    async def list(self, profile: str, listing: Listing) -> tuple[StoredSecret, ...]:
        """Return the secrets; one that cannot be read hides no others."""
        wanted = listed(_secrets_of(profile), secrets, Noun.SECRET, listing, _SORTS)
        async with self.database.reading() as connection:
            return tuple(
                await read_rows(connection, wanted, listing.page.slice, sealed_of)
            )

    async def users(self, profile: str, id_: str) -> frozenset[str]:
        """Return the ids of the actions that refer to the secret."""
        wanted = select(actions.c.id).where(
            actions.c.profile == profile, actions.c.secret == id_
        )
        async with self.database.reading() as connection:
            return frozenset(await connection.scalars(wanted))

    async def _resealed(self, before: SealedSecret, edit: SecretEdit) -> SealedSecret:
        """Seal as a new version, so that no older row opens, whatever has changed."""
        vault, world = self.journal.audit_log.vault, self.journal.audit_log.world
        tags = before.secret.tags if edit.tags is None else edit.tags
        version = before.secret.version + 1
        secret = replace(before.secret, version=version, tags=tags)
        after = replace(before, secret=secret, updated_at=world.now())
        if edit.value is None:
            return replace(after, envelope=await vault.reseal(before, secret))
        return replace(
            after,
            envelope=await vault.seal(secret, edit.value),
            value_length=len(edit.value.reveal()),
            fifo=edit.fifo,
        )


def id_of(stored: StoredSecret) -> str:
    match stored:
        case SealedSecret():
            return stored.secret.id
        case UnreadableRow():
            return stored.text("id")


def etag_of(stored: StoredSecret) -> str:
    """Return what is opaque, and another text after each change: its version."""
    match stored:
        case SealedSecret():
            return str(stored.secret.version)
        case UnreadableRow():
            return stored.text("version")


def key_of(stored: StoredSecret) -> str:
    match stored:
        case SealedSecret():
            return stored.secret.key
        case UnreadableRow():
            return stored.text("key")


def readable(stored: StoredSecret) -> SealedSecret:
    """Return the secret. Raises InvalidDefinition for one that cannot be read."""
    return require_readable(stored, f"secret {id_of(stored)}")


def _secrets_of(profile: str) -> Select[tuple[object, ...]]:
    return select(secrets).where(secrets.c.profile == profile)


async def _insert(connection: AsyncConnection, sealed: SealedSecret) -> None:
    try:
        await connection.execute(insert(secrets).values(row_of(sealed)))
    except IntegrityError:
        raise InvalidDefinition("Secret key already exists") from None


async def _version_of(connection: AsyncConnection, id_: str) -> int | None:
    version: int | None = await connection.scalar(
        select(secrets.c.version).where(secrets.c.id == id_)
    )
    return version
