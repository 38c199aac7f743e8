"""Transfer: both databases of a copy, opened as the settings say."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from keyrelay.app.settings import Settings
from keyrelay.app.store import make_current, vault_over
from keyrelay.databases.database import ENDLESS, Database
from keyrelay.databases.opening import is_there, open_database
from keyrelay.model.world import real_world
from keyrelay.services.transfer import Transfer
from keyrelay.stores.audit.checkpoint import CheckpointFile
from keyrelay.stores.copying import Copying, NotCopied
from keyrelay.stores.installation import Installation, read_installation
from keyrelay.stores.schema.age import Age, age_of
from keyrelay.stores.schema.migrations import migrate


@asynccontextmanager
async def open_transfer(
    settings: Settings, source: str, target: str
) -> AsyncIterator[Transfer]:
    """Open both databases. Raises NotCopied, Unavailable and what `open_store` does.

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
            rows=await copying.check(),
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
