"""Classify: what a reply of SQS means for the message, by what SQS can have done."""

import re
from dataclasses import dataclass
from datetime import timedelta

from keyrelay.model.outcome import Blame, Deferred, Fault, Outcome, Rejected, Uncertain

_BREATH = timedelta(seconds=2)  # for a peer that asks for less without saying how

_THROTTLED = frozenset(
    {
        "RequestThrottled",
        "Throttling",
        "Throttled",
        "ThrottledRequest",
        "TooManyRequests",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceeded",
        "OverLimit",
        "SlowDown",
        "PriorRequestNotComplete",
        "KmsThrottled",
        "KmsThrottling",
    }
)
_CREDENTIAL = frozenset(
    {
        "AccessDenied",
        "AuthFailure",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignature",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClient",
        # The key's own policy; whoever grants the use of the queue grants it too.
        "KmsAccessDenied",
        "KmsOptInRequired",
    }
)
_DEFINITION = frozenset(
    {
        "InvalidAddress",
        "InvalidSecurity",
        "NonExistentQueue",
        "QueueDeletedRecently",
        "QueueDoesNotExist",
        "UnsupportedOperation",
        "KmsDisabled",
        "KmsInvalidKeyUsage",
        "KmsInvalidState",
        "KmsNotFound",
    }
)
# A signature is good for five minutes either way.
_SKEWED = re.compile("signature (expired|not yet current)", re.IGNORECASE)
_SKEW_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The peer's no, to one entry or to a whole call.

    `by_sender` is the peer's word that it is our fault: SenderFault, or 4xx.
    `status` is that of a refused call; an entry has none.
    """

    code: str
    message: str
    by_sender: bool
    status: int | None = None
    retry_after: timedelta | None = None

    @property
    def reason(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


def classify(refusal: Refusal) -> Outcome:
    """The code comes first: SQS calls throttling of a FIFO queue the sender's fault."""
    code, reason = _plain(refusal.code), refusal.reason
    if _is_skew(code, refusal.message):
        reason = f"this machine's clock is not the peer's: {reason}"
        return Deferred(reason, blame=Blame.PEER)
    if code in _THROTTLED or refusal.status in (408, 429):
        hint = refusal.retry_after or _BREATH
        return Deferred(reason, not_before=hint, blame=Blame.PEER)
    if code in _CREDENTIAL or refusal.status in (401, 403):
        return Deferred(reason, spends_attempt=False, blame=Blame.CREDENTIAL)
    if code in _DEFINITION:
        return Rejected(reason, Fault.DEFINITION)
    if refusal.by_sender:
        return Rejected(reason, Fault.TRIGGER)
    return _failed(refusal)


def may_be_about_one(refusal: Refusal) -> bool:
    """Tell whether a whole call may have been refused for one of its entries."""
    known = isinstance(classify(refusal), Deferred | Uncertain)
    return not known and _plain(refusal.code) not in _DEFINITION


def _failed(refusal: Refusal) -> Outcome:
    match refusal.status:
        case None:  # one entry failed, and the peer says so
            return Deferred(refusal.reason)
        case 503:  # turned away at the door
            hint = refusal.retry_after or timedelta()
            return Deferred(refusal.reason, not_before=hint, blame=Blame.PEER)
        case status if status < 500:
            reason = f"redirects are not followed: {refusal.reason}"
            return Deferred(reason, blame=Blame.PEER)
        case _:  # something broke, perhaps after the messages had been kept
            return Uncertain(refusal.reason)


def _is_skew(code: str, message: str) -> bool:
    return code in _SKEW_CODES or (
        code in {"SignatureDoesNotMatch", "InvalidSignature"}
        and _SKEWED.search(message) is not None
    )


def _plain(code: str) -> str:
    """Return the one name behind what the query and JSON protocols call an error."""
    name = code.rpartition("#")[2].removeprefix("AWS.SimpleQueueService.")
    return name.replace("KMS.", "Kms").removesuffix("Exception")
