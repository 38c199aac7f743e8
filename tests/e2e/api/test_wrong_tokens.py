"""Wrong tokens: however many come, the database is asked a few times a second."""

import asyncio
import time
from pathlib import Path

from keyrelay.api.counting import request_metrics
from keyrelay.app.api import open_api
from keyrelay.app.settings import Settings
from tests.contract.stores.plans import counted
from tests.e2e.api.conftest import Founded

CLIENTS, TRIES = 50, 30  # each of them one after the other
A_SECOND = 20  # reads of the revision
BESIDE = 5  # of the catalog, which looks for changes by itself


async def test_a_flood_of_wrong_tokens_is_no_flood_of_statements(
    founded: Founded, tmp_path: Path
) -> None:
    home = founded.copied(tmp_path / "home").home
    async with open_api(Settings(home=home.path), request_metrics(())) as process:
        authenticating = process.new_authenticating()

        async def try_on() -> None:
            for number in range(TRIES):
                assert await authenticating.authenticate(f"p-{number:036}") is None

        began = time.monotonic()
        async with counted(process.store.database) as statements:
            await asyncio.gather(*(try_on() for _ in range(CLIENTS)))
        seconds = time.monotonic() - began
        right = await authenticating.authenticate(founded.token)

    assert right is not None
    reads = [each for each in statements if each != "BEGIN"]
    assert len(reads) <= A_SECOND * seconds + BESIDE
