"""Key status: whether the vault opens, its data keys, and the secrets that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.databases.database import Database
from keyrelay.ports import Unavailable
from keyrelay.stores.integrity import SecretIntegrity, check_secrets
from keyrelay.vault.keyring import WrappedKey
from keyrelay.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How many secrets were opened, and which of them do not open."""

    secrets: int
    broken: Sequence[SecretIntegrity]


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
    vault: Vault

    async def status(self, *, examine_secrets: bool) -> KeyStatus:
        """Return the status; to examine opens every secret of every profile.

        Raises Unavailable, if the database does not answer.
        """
        sealed: str | None = None
        try:
            await self.vault.check()
        except Unavailable as why:
            sealed = str(why)
        look = examine_secrets and sealed is None
        return KeyStatus(
            sealed=sealed,
            keys=self.vault.keyring.wrapped,
            examination=await self._examine() if look else None,
        )

    async def _examine(self) -> Examination:
        secrets, broken = 0, list[SecretIntegrity]()
        async for secret in check_secrets(self.database, self.vault):
            secrets += 1
            if secret.flaw is not None:
                broken.append(secret)
        return Examination(secrets=secrets, broken=broken)
