"""A killed API: no trigger that was answered is lost, whenever the kill comes."""

import json
import random
import time
from collections.abc import Callable, Sequence

import pytest

from tests.faults.lengths import KILLS_OF_API
from tests.faults.raw_requests import (
    answered,
    body_of,
    connected,
    request_of,
    rest_of,
)
from tests.faults.relay import Relay
from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home

SEED = 20_260_101
_MANY = 40  # triggers of one request
_PATIENCE = 30.0  # seconds


# How much of the request is sent, and how long its answer is waited for: what comes
# after these is killed at random.
STEPS = ((0, 0), (0.01, 0), (0.5, 0), (0.99, 0), (1, 0), (1, _PATIENCE))


def killed_after(api: Api, part: bytes, wait: float) -> Sequence[str]:
    """Send a part, wait so long for an answer, and kill; return what it had said."""
    with connected(api) as connection:
        connection.sendall(part)
        connection.settimeout(wait)
        try:
            raw = connection.recv(65536)
        except (TimeoutError, BlockingIOError):  # it has not answered
            raw = b""
        api.command.kill()
        return answered(raw + rest_of(connection))


def time_of_an_answer(home: Home, token: str) -> float:
    """Return how many seconds the first request takes that an API answers."""
    with answering(home) as running:
        begun = time.perf_counter()
        running.with_token(token).ask("POST", "/triggers", body_of(["first"]))
        return time.perf_counter() - begun


def listed(home: Home) -> Sequence[str]:
    told = json.loads(home.run("trigger", "list", "--json"))
    return [each["id"] for each in told]


@pytest.mark.timeout(120 + 15 * KILLS_OF_API)
def test_what_a_killed_api_had_answered_is_kept_and_sent_again_it_is_kept_once(
    relay: Relay, tell: Callable[[str], None]
) -> None:
    home, dice = relay.home, random.Random(SEED)  # noqa: S311 - to be repeatable
    token, kept, sent = token_of(home, "full"), set[str](), list[str]()
    usual = time_of_an_answer(home, token)

    for kill in range(KILLS_OF_API):
        ids = [f"k{kill}-{number}" for number in range(_MANY)]
        sent += ids
        with answering(home) as running:
            api = running.with_token(token)
            request = request_of(api, ids)
            end, wait = len(request), dice.uniform(0, 2 * usual)
            if kill < len(STEPS):
                part, wait = STEPS[kill]
                end = round(part * len(request))
            kept |= {*killed_after(api, request[:end], wait)}
    found = listed(home)
    with answering(home) as running:
        again = running.with_token(token).ask("POST", "/triggers", body_of(sent))

    tell(f"{KILLS_OF_API} kills, {len(kept)} of {len(sent)} answered")
    assert kept
    assert kept <= {*found}
    assert len(found) == len({*found})
    assert again.status == 202
    states = again.result
    assert isinstance(states, list)
    assert {each["id"] for each in states if each["state"] == "duplicate"} == {
        *found
    } - {"first"}
    assert sorted(listed(home)) == sorted([*sent, "first"])
