"""Run tokens: each run has one of its own, which ends with the run.

    token = "a-" profile "." analysis "." run "." end "." MAC

with `end` in seconds since 1970. No row is kept of it: what it is stands in it, and is
signed (services/signing.py). It counts until its end, and only while its run is not
over and its analysis is there. When an external run is over is not known: its token
counts until the run's deadline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyrelay.model.analysis import RunOn
from keyrelay.model.run import RunOrder
from keyrelay.model.secret import SecretValue
from keyrelay.model.token import Token, TokenKind, TokenRights, prefix_of
from keyrelay.services.signing import Signing
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.runs.records import RunRecords
from keyrelay.vault.vault import Vault

# After a hosted run's deadline: until then it may begin, and then it takes its time.
LASTS = timedelta(minutes=30)

_LABEL = "run-tokens"
_BEGINNING = TokenKind.ANALYSIS.beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTokens:
    """Each method raises Unavailable while the vault is sealed."""

    vault: Vault
    runs: RunRecords
    now: Callable[[], datetime]

    async def token(self, order: RunOrder) -> SecretValue:
        """Return the plaintext of the run's own token, the same each time."""
        lasts = LASTS if order.run_on is RunOn.HOSTED else timedelta()
        end = int((order.cause.deadline + lasts).timestamp())
        words = (order.profile, order.analysis, order.id, str(end))
        return SecretValue(f"{_BEGINNING}{await self._signing.sign(words)}")

    async def read(self, text: str) -> Token | None:
        """Return the token of this plaintext; None, it is none that counts."""
        words = await self._signing.read(text.removeprefix(_BEGINNING))
        if words is None or not text.startswith(_BEGINNING):
            return None
        profile, analysis, run, end = words
        token = Token(
            id=run,
            profile=profile,
            name=f"run {run}",
            rights=TokenRights(kind=TokenKind.ANALYSIS, analysis=analysis, run=run),
            prefix=prefix_of(text),
            expires_at=datetime.fromtimestamp(int(end), UTC),
        )
        is_over = token.is_expired(self.now()) or await self._is_over(profile, run)
        return None if is_over else token

    async def _is_over(self, profile: str, run: str) -> bool:
        try:
            found = await self.runs.get(profile, run)
        except NotFound:
            return True
        return found.order.run_on is RunOn.HOSTED and found.state.is_over

    @property
    def _signing(self) -> Signing:
        return Signing(vault=self.vault, label=_LABEL)
