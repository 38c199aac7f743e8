"""`python -m keyrelay`, where the command itself is not on the path."""

from keyrelay.cli import run

run()
