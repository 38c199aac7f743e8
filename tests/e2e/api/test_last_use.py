"""Last use: when a token was last used, to about a minute, in both lists of tokens."""

import json
import signal
from datetime import timedelta

from tests.installed.api import Api, answering, token_of
from tests.installed.home import Home
from tests.services import deadline

NEVER = "never"
WRITTEN = timedelta(seconds=10)


def last_use(api: Api, name: str) -> str:
    rows = api.get("/tokens").result
    assert isinstance(rows, list)
    return next(str(row["last_authorization"]) for row in rows if row["name"] == name)


def test_a_token_s_last_use_is_in_both_lists_and_moves(home: Home) -> None:
    full, read = token_of(home, "full"), token_of(home, "read")
    with answering(home) as api:
        admin = api.with_token(full)
        assert last_use(admin, "for read") == NEVER

        assert api.with_token(read).get("/info").status == 200
        assert api.with_token("p-wrong").get("/info").status == 401

        assert deadline.met(lambda: last_use(admin, "for read") != NEVER, WRITTEN)
        first = last_use(admin, "for read")
    with answering(home) as api:
        assert api.with_token(read).get("/info").status == 200
        api.command.send(signal.SIGTERM)
        assert api.command.end() == 0  # what was noted is written
    listed = home.run("token", "list", "--json")

    rows = {row["name"]: row for row in json.loads(listed)}
    assert rows["for read"]["last_authorization"] > first
    assert "last authorization" in home.run("token", "list")
