"""Key status: whether the vault opens, its data keys, and the secrets that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.databases.database import Database
from keyrelay.ports import Unavailable
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.integrity import Soundness, check_definitions
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

    `examination` is None if the secrets were not to be examined, or cannot be.
    """

    sealed: str | None
    keys: Sequence[WrappedKey]
    examination: Examination | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInspection:
    database: Database
    guard: DefinitionGuard

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
            examination=await self._examine() if look else None,
        )

    async def _examine(self) -> Examination:
        definitions, secrets, broken = 0, 0, list[Soundness]()
        async for each in check_definitions(self.database, self.guard):
            definitions += each.id != ""
            secrets += each.noun == Noun.SECRET
            if each.flaw is not None:
                broken.append(each)
        return Examination(definitions=definitions, secrets=secrets, broken=broken)
