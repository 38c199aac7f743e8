"""Classification: the outcome for a message by what SQS can have done with it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""

import re
from datetime import timedelta

from keyrelay.dispatchers.sqs.reply import Refusal
from keyrelay.model.outcome import (
    Blame,
    Deferred,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
)

_THROTTLE_PAUSE = timedelta(seconds=2)  # where a throttling peer names no time

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
        # Of the KMS key's policy, which the administrator of the queue grants as well.
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
# A signature is valid for five minutes before and after its time.
_SKEW_MESSAGE = re.compile("signature (expired|not yet current)", re.IGNORECASE)
_SKEW_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed"})


def classify(refusal: Refusal) -> Outcome:
    """Return the outcome, by the code first and then by the HTTP status.

    The code comes before `by_sender`, as SQS reports the throttling of a FIFO queue as
    the sender's fault.
    """
    code, reason = _error_name(refusal.code), refusal.reason
    if _is_clock_skew(code, refusal.message):
        reason = f"this machine's clock is not the peer's: {reason}"
        return Deferred(reason, blame=Blame.PEER)
    if code in _THROTTLED or refusal.status in (408, 429):
        hint = refusal.retry_after or _THROTTLE_PAUSE
        return Deferred(reason, not_before=hint, spends_attempt=False, blame=Blame.RATE)
    if code in _CREDENTIAL or refusal.status in (401, 403):
        return Deferred(reason, spends_attempt=False, blame=Blame.CREDENTIAL)
    if code in _DEFINITION:
        return Rejected(reason, Fault.DEFINITION, why=ReasonClass.REFUSED)
    if refusal.by_sender:
        return Rejected(reason, Fault.TRIGGER, why=ReasonClass.REFUSED)
    return _failed(refusal)


def may_concern_one_entry(refusal: Refusal) -> bool:
    """Tell whether a whole call may have been refused for one of its entries."""
    about_call = isinstance(classify(refusal), Deferred | Uncertain)
    return not about_call and _error_name(refusal.code) not in _DEFINITION


def _failed(refusal: Refusal) -> Outcome:
    match refusal.status:
        case None:  # one entry failed, and SQS reports it as not sent
            return Deferred(refusal.reason)
        case 503:  # refused before any processing
            hint = refusal.retry_after or timedelta()
            return Deferred(refusal.reason, not_before=hint, blame=Blame.PEER)
        case status if status < 500:
            reason = f"redirects are not followed: {refusal.reason}"
            return Deferred(reason, blame=Blame.PEER)
        case _:  # it failed, perhaps after it had stored the messages
            return Uncertain(refusal.reason)


def _is_clock_skew(code: str, message: str) -> bool:
    return code in _SKEW_CODES or (
        code in {"SignatureDoesNotMatch", "InvalidSignature"}
        and _SKEW_MESSAGE.search(message) is not None
    )


def _error_name(code: str) -> str:
    """Return the name that the query and the JSON protocol's codes have in common."""
    name = code.rpartition("#")[2].removeprefix("AWS.SimpleQueueService.")
    return name.replace("KMS.", "Kms").removesuffix("Exception")
