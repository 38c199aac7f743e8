"""Killed accepting: the API dies between two of its writes, and nothing is doubled."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from tests.faults.many_machines import Place, trigger_in
from tests.faults.raw_requests import body_of, connected, request_of, rest_of
from tests.faults.relay import Relay
from tests.installed.api import answering, token_of
from tests.services import deadline
from tests.sinks.sqs import SqsSink

IDS = [f"t{number}" for number in range(40)]
WITHIN = timedelta(seconds=30)


@contextmanager
def written_by_another(file: Path) -> Iterator[None]:
    """Let nothing write to the queue until the block ends."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_killed_before_its_transaction_the_api_has_answered_and_kept_nothing(
    relay: Relay,
) -> None:
    home = relay.home
    token = token_of(home, "full")

    with answering(home) as running:
        api = running.with_token(token)
        with written_by_another(home.path / "queue.db"), connected(api) as connection:
            connection.sendall(request_of(api, IDS))
            api.command.await_said("another process that writes")
            api.command.kill()
            said = rest_of(connection)
    known = json.loads(home.run("trigger", "list", "--json"))
    with answering(home) as running:
        again = running.with_token(token).ask("POST", "/triggers", body_of(IDS))

    assert said == b""
    assert known == []
    assert again.result == [{"id": id_, "state": "accepted"} for id_ in IDS]


def test_killed_between_the_log_and_the_claims_the_api_loses_and_doubles_nothing(
    shared_relay: Relay, place: Place, queue: SqsSink
) -> None:
    home, action = shared_relay.home, shared_relay.action
    token = token_of(home, "full")

    with answering(home) as running:
        api = running.with_token(token)
        with place.postgresql.held(place.database, "claims"), connected(api) as client:
            client.sendall(request_of(api, IDS, action))
            # It writes to the claims once the broker has acknowledged the records.
            assert deadline.met(lambda: waits_for_a_table(place), WITHIN)
            api.command.kill()
            said = rest_of(client)
    with answering(home) as running:
        api = running.with_token(token)
        unknown = api.get(f"/triggers/{IDS[-1]}").status
        again = api.ask("POST", "/triggers", body_of(IDS[:20], action))
    home.run("worker", "--drain")

    assert said == b""
    assert unknown == 404
    assert again.status == 202
    taken = [trigger_in(entry.name) for entry in queue.ledger.entries()]
    assert sorted(taken) == sorted(IDS)


def waits_for_a_table(place: Place) -> bool:
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE NOT granted AND datname = current_database()"
    )
    return place.postgresql.tell(waiting, place.database) != "0"
