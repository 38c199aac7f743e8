"""Routes: what a route is, what it is asked, and what it answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from keyrelay.api.peers import is_private
from keyrelay.api.rights import Right, has
from keyrelay.app.api import ApiProcess
from keyrelay.model.documents import parse_document
from keyrelay.model.policy.kinds import VERBS
from keyrelay.model.token import Token, TokenKind, TokenRights
from keyrelay.observability.request_metrics import RouteLabels
from keyrelay.services.granting import Grant

LARGEST_BODY = 1024 * 1024  # bytes

Operation = Mapping[str, object]  # OpenAPI's operation object


class BodyTooLarge(Exception):
    """The body has more bytes than the route takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose token a request bears, and the address that it comes from.

    `grant` is what policies let an analysis do here; other tokens have none, as their
    rights alone decide.
    """

    token: Token
    address: str
    grant: Grant | None = None
    scheme: str = "http"

    @property
    def is_private(self) -> bool:
        """Whether none can read along on the way from there."""
        return is_private(self.address, self.scheme)

    @property
    def profile(self) -> str:
        return self.token.profile

    @property
    def actor(self) -> str:
        """The name that is recorded with each change."""
        token = self.token
        return f"token:{token.name} ({token.prefix}) from {self.address}"


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request, which is read once."""

    chunks: Callable[[], AsyncIterator[bytes]]

    async def read(self, largest: int = LARGEST_BODY) -> bytes:
        """Return all of it. Raises BodyTooLarge, once it is longer than that."""
        read = bytearray()
        async for chunk in self.chunks():
            read += chunk
            if len(read) > largest:
                raise BodyTooLarge(f"the body may have {largest} bytes at most")
        return bytes(read)

    async def document(self, largest: int = LARGEST_BODY) -> Mapping[str, object]:
        """Return its one JSON object. Raises BodyTooLarge and InvalidDefinition."""
        return parse_document(await self.read(largest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of a caller that may make it.

    `ids` are the parts of the path by their names, `query` is as it was sent, and
    `headers` are by their names in lower case.
    """

    caller: Bearer
    ids: Mapping[str, str]
    query: str
    headers: Mapping[str, str]
    body: RequestBody
    process: ApiProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What becomes `{"status": true, "result": …, "message"?: …}`.

    `message` says what the caller should know of a success, such as that it will have
    no effect.
    """

    result: object
    status: int = 200
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """What policies must allow an analysis before a route answers it.

    `kind` is what they call the things of the route; None, its path says it. With
    `is_tagged`, the body has the tags that a thing is to have. With `is_asked`, no id
    in the path is that of such a thing: the route asks the caller's grant itself.
    """

    kind: str | None
    verb: str
    is_tagged: bool = False
    is_asked: bool = False


def governed(
    kind: str | None, verb: str, *, is_tagged: bool = False, is_asked: bool = False
) -> Governed | None:
    """Return how policies govern a route; None, they have no word for what it does."""
    if kind is None or verb not in VERBS.get(kind, ()):
        return None
    return Governed(kind=kind, verb=verb, is_tagged=is_tagged, is_asked=is_asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path, where ids stand in braces, without a slash at its end.

    `answer` raises what api/failures.py has a status for. A stream also takes its
    caller's token from the query, as programs in a browser can set no header for it.
    A list that is `governed` shows what the caller's grant reaches, and no more.
    """

    method: str
    path: str
    right: Right
    answer: Callable[[Asked], Awaitable[Answer | ASGIApp]]
    described: Operation
    is_stream: bool = False
    governed: Governed | None = None

    def admits(self, rights: TokenRights) -> bool:
        """Tell whether it answers such a token; an analysis', as policies let it."""
        by_policy = self.governed is not None and rights.kind is TokenKind.ANALYSIS
        return by_policy or has(rights, self.right)

    @property
    def labels(self) -> RouteLabels:
        """Return what metrics name it by."""
        return self.method, self.path
