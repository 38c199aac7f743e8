"""Authorization: whose request it is, and whether the route admits its token."""

from collections.abc import Sequence
from dataclasses import dataclass

from keyrelay.api.failures import Denied, TooManyTries
from keyrelay.api.route import Bearer, Route
from keyrelay.api.tries import FailedTries
from keyrelay.model.token import Token
from keyrelay.observability.request_metrics import RequestMetrics
from keyrelay.ports import Unavailable
from keyrelay.services.authenticating import Authenticating

_CLOSED = "Keyrelay cannot check tokens now; ask again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Only tries that fail are counted: a neighbour's never refuse a right token."""

    authenticating: Authenticating
    tries: FailedTries
    metrics: RequestMetrics

    async def admit(self, given: Sequence[str], address: str, route: Route) -> Bearer:
        """Return the caller that has exactly one token, which the route admits.

        Raises Denied, TooManyTries, and Unavailable, whatever the token is.
        """
        token = await self.token(given, address)
        if not route.admits(token.rights):
            raise Denied
        return Bearer(token=token, address=address)

    async def token(self, given: Sequence[str], address: str) -> Token:
        """Return the one token that was given, if it counts. Raises as `admit`."""
        token = None
        try:
            if len(given) == 1:
                token = await self.authenticating.authenticate(given[0])
        except Unavailable:  # its text is for operators
            raise Unavailable(_CLOSED) from None
        if token is None:
            seconds = self.tries.failed(address)
            self.metrics.wrong_token(limited=seconds is not None)
            raise Denied if seconds is None else TooManyTries(seconds)
        return token
