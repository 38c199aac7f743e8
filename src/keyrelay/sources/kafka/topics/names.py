"""Names: the topics that belong to the one into which triggers are published.

Each retry topic has one delay. So the records of a topic are due in the order in which
they were written, and one that is not due holds up none that is. A wait is made of such
delays: the longest that fits comes first, the rest is waited for in the next topic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

DELAYS: Mapping[str, timedelta] = {
    "1s": timedelta(seconds=1),
    "5s": timedelta(seconds=5),
    "30s": timedelta(seconds=30),
    "2m": timedelta(minutes=2),
    "10m": timedelta(minutes=10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """`main` is the topic into which triggers are published."""

    main: str

    @property
    def retries(self) -> Mapping[str, timedelta]:
        """Return the retry topics and their delays, the shortest first."""
        return {f"{self.main}.retry.{name}": delay for name, delay in DELAYS.items()}

    @property
    def held(self) -> str:
        """Return the topic of triggers that wait for a secret to be replaced."""
        return f"{self.main}.held"

    @property
    def dead(self) -> str:
        """Return the dead-letter topic."""
        return f"{self.main}.dead"

    @property
    def read(self) -> tuple[str, ...]:
        """Return the topics that workers read."""
        return (self.main, *self.retries, self.held)

    def retry_for(self, wait: timedelta) -> str:
        """Return the retry topic with the longest delay that fits into `wait`."""
        names = [name for name, delay in self.retries.items() if delay <= wait]
        return names[-1] if names else next(iter(self.retries))
