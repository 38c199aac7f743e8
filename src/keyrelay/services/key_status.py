"""Key status: whether the vault opens, its data keys, and the secrets that do not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keyrelay.model.instant import wire_date
from keyrelay.model.pause import PauseKind
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.integrity import Soundness, check_definitions
from keyrelay.stores.pauses import PauseRecords
from keyrelay.vault.keyring import WrappedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How many definitions were checked and secrets opened, and which are broken."""

    definitions: int
    secrets: int
    broken: Sequence[Soundness]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """`sealed` says why the vault does not open; None, it is open.

    `paused` counts the secrets of all profiles that are paused; one that is so for
    several workers counts once. `examination` is None if the secrets were not to be
    examined, or cannot be.
    """

    sealed: str | None
    keys: Sequence[WrappedKey]
    paused: Mapping[PauseKind, int]
    examination: Examination | None


def keys_document(
    keys: Sequence[WrappedKey], now: datetime
) -> Sequence[Mapping[str, object]]:
    """Return what is told of data keys: which they are, never what they hold."""
    return [
        {
            "id": key.id,
            "purpose": key.purpose,
            "wrapped_by": key.provider_key,
            "created_at": wire_date(key.created_at),
            "age_days": (now - key.created_at).days,
        }
        for key in keys
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInspection:
    guard: DefinitionGuard
    pauses: PauseRecords

    async def status(self, *, examine_secrets: bool) -> KeyStatus:
        """Return the status; to examine opens every secret of every profile.

        Raises Unavailable, if the database does not answer.
        """
        sealed: str | None = None
        try:
            await self.guard.vault.check()
        except Unavailable as why:
            sealed = str(why)
        look = examine_secrets and sealed is None
        return KeyStatus(
            sealed=sealed,
            keys=self.guard.vault.keyring.wrapped,
            paused=await self._paused(),
            examination=await self._examine() if look else None,
        )

    async def _paused(self) -> Mapping[PauseKind, int]:
        standing = {(each.secret, each.kind) for each in await self.pauses.standing()}
        return Counter(kind for _, kind in standing)

    async def _examine(self) -> Examination:
        definitions, secrets, broken = 0, 0, list[Soundness]()
        async for each in check_definitions(self.pauses.database, self.guard):
            definitions += each.id != ""
            secrets += each.noun == Noun.SECRET
            if each.flaw is not None:
                broken.append(each)
        return Examination(definitions=definitions, secrets=secrets, broken=broken)
