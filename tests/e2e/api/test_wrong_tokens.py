"""Wrong tokens: however many come, the database is asked a few times a second."""

import asyncio
import time
from pathlib import Path

from keyrelay.api.counting import request_metrics
from keyrelay.app.api import open_api
from keyrelay.app.settings import Settings
from tests.contract.stores.plans import counted
from tests.e2e.api.conftest import Founded

FLOOD = 2000
A_SECOND = 20  # runs, of a few statements each


async def test_a_flood_of_wrong_tokens_is_no_flood_of_statements(
    founded: Founded, tmp_path: Path
) -> None:
    home = founded.copied(tmp_path / "home").home
    async with open_api(Settings(home=home.path), request_metrics(())) as process:
        authenticating = process.new_authenticating()
        began = time.monotonic()
        async with counted(process.store.database) as statements:
            for _ in range(5):
                tries = [authenticating.authenticate(f"p-{n}") for n in range(FLOOD)]
                assert {*await asyncio.gather(*tries)} == {None}
        seconds = time.monotonic() - began
        right = await authenticating.authenticate(founded.token)

    assert right is not None
    assert len(statements) <= 3 * A_SECOND * (seconds + 1)
