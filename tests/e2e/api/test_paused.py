"""A secret whose triggers wait: the API says why, and since when."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from keyrelay.model.pause import SharedPause
from keyrelay.stores.pauses import worker_pauses
from tests.e2e.api.conftest import Founded
from tests.e2e.api.furnished import SMTP, secret_of
from tests.installed.api import Api
from tests.installed.home import Home

WORDS = "535 5.7.8 the password is wrong"


def test_a_paused_secret_is_told_with_the_words_of_its_server(
    shared: Founded, shared_api: Api
) -> None:
    fine = shared_api.ask("POST", "/secrets", secret_of(SMTP, "fine")).field("id")
    waits = shared_api.ask("POST", "/secrets", secret_of(SMTP, "waits")).field("id")

    asyncio.run(pause(shared.home, waits))

    shown = [shared_api.get(f"/secrets/{id_}").result for id_ in (fine, waits)]
    listed = shared_api.get("/secrets?fields=id&fields=paused").result
    [told] = listed_of(shared_api, "/pauses")
    plain = shared_api.get("/secrets").result
    assert isinstance(listed, list)
    assert isinstance(plain, list)
    by_id = {each["id"]: each["paused"] for each in listed}
    assert [each["paused"] for each in shown if isinstance(each, dict)] == [
        by_id[fine],
        by_id[waits],
    ]
    assert by_id[fine] is None
    # The credential was refused, which stops all workers; one has no connection.
    assert (by_id[waits]["kind"], by_id[waits]["reason"]) == ("refused", WORDS)
    assert by_id[waits]["since"].startswith("20")
    assert told == {"secret": waits, "key": "waits", **by_id[waits]}
    assert all("paused" not in each for each in plain)


def listed_of(api: Api, path: str) -> Sequence[object]:
    result = api.get(path).result
    assert isinstance(result, list)
    return result


async def pause(home: Home, secret: str) -> None:
    """Have a worker say that it has no connection, and that the login is refused."""
    settings = load_settings(None, {"home": home.path})
    async with open_store(settings) as store:
        world = store.audit_log.world
        pauses = worker_pauses(store.database, world)
        length = timedelta(minutes=1)
        refused, silent = (
            SharedPause(
                secret=secret,
                version=1,
                reason=reason,
                length=length,
                probe_at=world.now() + length,
            )
            for reason in (WORDS, "no answer")
        )
        await pauses.keep_unreachable([silent])
        await pauses.keep_refused(refused)
