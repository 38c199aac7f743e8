"""Moving: an installation brought into another database, and proved to be whole."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from keyrelay.app.settings import Settings
from keyrelay.app.store import make_current, vault_over
from keyrelay.databases.database import Database, is_there, open_database
from keyrelay.databases.postgresql import ENDLESS
from keyrelay.model.world import real_world
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.audit.trail import AuditTrail, Verification
from keyrelay.stores.copying import Copying, NotCopied
from keyrelay.stores.installation import Installation, read_installation
from keyrelay.stores.integrity import examine
from keyrelay.stores.schema.age import Age, age_of
from keyrelay.stores.schema.migrations import migrate
from keyrelay.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What is in the target now, and whether it is as it was.

    `begun` is whether it can be worked on: not if the trail broke on the way.
    """

    rows: Mapping[str, int]
    verdict: Verification
    begun: bool
    secrets: int = 0
    flaws: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`complete` is whether an earlier one came to its end."""

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
            return Transferred(rows=self.rows, verdict=verdict, begun=False)
        # Last, for it is what others look for before they begin to work.
        if found is not None:
            await copying.finish(found)
        flaws = [
            secret.flaw is not None
            async for secret in examine(copying.target, self.vault)
        ]
        return Transferred(
            rows=self.rows,
            verdict=verdict,
            begun=True,
            secrets=len(flaws),
            flaws=sum(flaws),
        )

    def _trail(self, database: Database) -> AuditTrail:
        return AuditTrail(
            database=database, vault=self.vault, checkpoint=self.checkpoint
        )


@asynccontextmanager
async def open_transfer(
    settings: Settings, source: str, target: str
) -> AsyncIterator[Transfer]:
    """Look at both databases. Raises NotCopied, Unavailable and what `open_store` does.

    The key is that of the settings: what it does not open cannot be proved.
    """
    if not is_there(source):
        raise NotCopied("there is no database at the source")
    async with AsyncExitStack() as opened:
        copying = Copying(
            source=await opened.enter_async_context(open_database(source, ENDLESS)),
            target=await opened.enter_async_context(open_database(target, ENDLESS)),
            world=real_world(),
        )
        installed = await _installed(copying.source)
        vault = vault_over(settings, installed, copying.world)
        await vault.check()
        yield Transfer(
            copying=copying,
            vault=vault,
            checkpoint=CheckpointFile(settings.checkpoint_path),
            complete=await _is_complete(copying.target, installed),
            rows=await copying.look(),
        )


async def _installed(source: Database) -> Installation:
    await make_current(source)
    installed = await read_installation(source)
    if installed is None:
        raise NotCopied("the source holds no installation, or half a copy of one")
    return installed


async def _is_complete(target: Database, installed: Installation) -> bool:
    if await age_of(target) is Age.NONE:
        await migrate(target)
    await make_current(target)
    there = await read_installation(target)
    return there is not None and there.store == installed.store
