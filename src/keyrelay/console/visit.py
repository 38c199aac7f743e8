"""Visits: what a page is asked, and what it answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from keyrelay.console.given import Given
from keyrelay.console.own_api import ApiQuestion, OwnApi
from keyrelay.console.signing_in import SigningIn
from keyrelay.services.sessions import SignedIn

Facts = Mapping[str, object]

# HTML Standard, 9.2.4: in the query of a visit, though it is a header.
LAST_EVENT = "last-event-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A page, asked for in a session that counts.

    `ids` are the parts of its path by their names, `query` is what stands in its
    address, and `form` what was sent with it.
    """

    signed_in: SignedIn
    signing_in: SigningIn
    api: OwnApi
    ids: Mapping[str, str]
    query: Given
    form: Given

    @property
    def id(self) -> str:
        return self.ids["id"]

    def of_id(self, **asked: str) -> ApiQuestion:
        """Return a question about the thing that the page's path names."""
        return ApiQuestion(ids=self.ids, query=[*asked.items()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page that is shown: the facts that its template tells."""

    template: str
    facts: Facts = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The page that is shown next: its path below the console.

    `said` is a word of sentences.py, which that page says first. `cookie` is that of
    the session from now on; "", there is none.
    """

    path: str
    said: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that the browser keeps under this name; it is read as it is taken."""

    name: str
    chunks: AsyncIterator[bytes]


Answered = Shown | Moved | KeptFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRoute:
    """One method of one path below the console, where ids stand in braces.

    `answer` raises what api/failures.py has a status for.
    """

    method: str
    path: str
    answer: Callable[[Visit], Awaitable[Answered]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRoute:
    """What the scripts of pages get from one path; `answer` raises as a page does.

    A browser without a session, and what goes wrong, get a status and a sentence.
    """

    path: str
    answer: Callable[[Visit], Awaitable[ASGIApp]]
