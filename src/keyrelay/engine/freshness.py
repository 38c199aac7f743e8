"""Freshness: no trigger is decided on older definitions than it was accepted under."""

import asyncio
from dataclasses import dataclass, field

from keyrelay.model.catalog import Catalog
from keyrelay.model.revision import Revision
from keyrelay.ports import Definitions, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Shared by all lanes: what one of them reads is as new for the others."""

    definitions: Definitions
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def catalog(self, since: Revision | None) -> Catalog:
        """Return the catalog, read again if that revision is newer.

        It is older still if the database has gone back. Raises Unavailable.
        """
        if self._is_older_than(since):
            async with self._reading:
                # Another lane may have read it meanwhile.
                older = self._is_older_than(since)
                is_read = not older or await self.definitions.refresh()
            if not is_read:
                raise Unavailable(
                    "the definitions have changed and cannot be read: look at the"
                    " database"
                )
        return self.definitions.current()

    def _is_older_than(self, since: Revision | None) -> bool:
        return self.definitions.current().revision.is_older_than(since)
