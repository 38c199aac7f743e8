"""Lengths: how long ledgers are, in full and where each change waits for them."""

import os

IN_FULL = os.environ.get("KEYRELAY_TEST_LEDGERS") == "full"
KILLS = 200 if IN_FULL else 50
KILLS_OF_MANY = 200 if IN_FULL else 12
KILLS_OF_API = 200 if IN_FULL else 20
KILLS_OF_EXTERNAL = 200 if IN_FULL else 20
REQUESTS = 20_000 if IN_FULL else 2_000
KILLS_OF_RUNS = 200 if IN_FULL else 20
