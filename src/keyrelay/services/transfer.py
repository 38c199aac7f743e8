"""Transfer: an installation brought into another database, and proved to be whole."""

from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.databases.database import Database
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.trail import AuditTrail
from keyrelay.stores.audit.verification import Verification
from keyrelay.stores.copying import Copying
from keyrelay.stores.definitions.guard import DefinitionGuard
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.integrity import check_definitions
from keyrelay.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What is in the target now, and whether it is as it was in the source.

    `usable` is false, and nothing can work on the target, if the audit trail broke on
    the way. `secrets` were examined in the target, and `flaws` of them do not open.
    """

    rows: Mapping[str, int]
    verdict: Verification
    usable: bool
    secrets: int = 0
    flaws: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`rows` counts the rows of the source, by table.

    `complete` is whether an earlier run came to its end.
    """

    copying: Copying
    vault: Vault
    checkpoint: CheckpointFile
    rows: Mapping[str, int]
    complete: bool

    async def run(self) -> Transferred:
        """Copy what is missing. Raises NotCopied and Unavailable."""
        copying = self.copying
        found = None if self.complete else await copying.copy()
        verdict = await self._trail(copying.target).verify()
        broken = verdict.breach
        if broken and broken != (await self._trail(copying.source).verify()).breach:
            return Transferred(rows=self.rows, verdict=verdict, usable=False)
        # Last: a process that opens the target works on it once this row is there.
        if found is not None:
            await copying.finish(found)
        guard = DefinitionGuard(vault=self.vault, checkpoint=self.checkpoint)
        flaws = [
            each.flaw is not None
            async for each in check_definitions(copying.target, guard)
            if each.noun == Noun.SECRET
        ]
        return Transferred(
            rows=self.rows,
            verdict=verdict,
            usable=True,
            secrets=len(flaws),
            flaws=sum(flaws),
        )

    def _trail(self, database: Database) -> AuditTrail:
        return AuditTrail(
            database=database, vault=self.vault, checkpoint=self.checkpoint
        )
