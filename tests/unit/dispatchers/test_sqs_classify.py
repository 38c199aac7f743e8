from dataclasses import replace
from datetime import timedelta

import pytest

from keyrelay.dispatchers.sqs.classify import classify, may_concern_one_entry
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

BREATH = timedelta(seconds=2)


def of_call(code: str, status: int, message: str = "so it is") -> Refusal:
    by_sender = 400 <= status < 500
    return Refusal(code=code, message=message, by_sender=by_sender, status=status)


def of_entry(code: str, *, by_sender: bool) -> Refusal:
    return Refusal(code=code, message="so it is", by_sender=by_sender)


def throttled(reason: str) -> Deferred:
    return Deferred(reason, not_before=BREATH, spends_attempt=False, blame=Blame.RATE)


def credential(reason: str) -> Deferred:
    return Deferred(reason, spends_attempt=False, blame=Blame.CREDENTIAL)


def refused(reason: str, fault: Fault) -> Rejected:
    return Rejected(reason, fault, why=ReasonClass.REFUSED)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidClientTokenId", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 403),
        ("AccessDenied", 403),
        ("AccessDeniedException", 400),
        ("com.amazon.coral.service#AccessDeniedException", 400),
        ("ExpiredToken", 403),
        ("ExpiredTokenException", 400),
        ("UnrecognizedClientException", 400),
        ("OptInRequired", 403),
        ("MissingAuthenticationTokenException", 400),
        ("KMS.AccessDeniedException", 400),
        ("KmsAccessDenied", 400),
        ("SomethingNew", 401),
        ("SomethingNew", 403),
    ],
)
def test_a_refused_credential_is_the_credentials_and_spends_no_attempt(
    code: str, status: int
) -> None:
    assert classify(of_call(code, status)) == credential(f"{code}: so it is")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", 400),
        ("QueueDoesNotExist", 400),
        ("com.amazonaws.sqs#QueueDoesNotExist", 400),
        ("AWS.SimpleQueueService.UnsupportedOperation", 400),
        ("KmsDisabled", 400),
        ("KMS.DisabledException", 400),
        ("KMS.NotFoundException", 400),
        ("KmsInvalidState", 400),
        ("InvalidAddress", 404),
        ("InvalidSecurity", 400),
    ],
)
def test_what_an_administrator_must_change_is_the_definitions_fault(
    code: str, status: int
) -> None:
    outcome = classify(of_call(code, status))

    assert outcome == refused(f"{code}: so it is", Fault.DEFINITION)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("RequestThrottled", 403),
        ("AWS.SimpleQueueService.RequestThrottled", 403),
        ("ThrottlingException", 400),
        ("Throttling", 400),
        ("KmsThrottled", 400),
        ("KMS.ThrottlingException", 400),
        ("OverLimit", 403),
        ("SlowDown", 503),
        ("TooManyRequestsException", 429),
        ("SomethingNew", 429),
        ("SomethingNew", 408),
    ],
)
def test_throttling_slows_and_spends_no_attempt(code: str, status: int) -> None:
    outcome = classify(of_call(code, status))

    assert outcome == throttled(f"{code}: so it is")


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("Unavailable", 503)]
)
def test_a_wait_that_the_peer_asks_for_is_kept(code: str, status: int) -> None:
    refusal = replace(of_call(code, status), retry_after=timedelta(seconds=7))

    outcome = classify(refusal)

    assert isinstance(outcome, Deferred)
    assert outcome.not_before == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier"),
        ("InvalidSignatureException", "Signature not yet current: 2026"),
        ("RequestExpired", "Request has expired."),
        ("RequestTimeTooSkewed", "The difference is too large"),
    ],
)
def test_a_wrong_clock_is_not_blamed_on_the_credential(code: str, message: str) -> None:
    outcome = classify(of_call(code, 403, message))

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert "clock" in outcome.reason


def test_a_503_is_deferred_as_nothing_was_stored() -> None:
    outcome = classify(of_call("ServiceUnavailable", 503))

    assert outcome == Deferred("ServiceUnavailable: so it is", blame=Blame.PEER)


@pytest.mark.parametrize("status", [500, 501, 502, 504, 599])
def test_another_5xx_is_uncertain_as_messages_may_be_stored(status: int) -> None:
    assert isinstance(classify(of_call("InternalFailure", status)), Uncertain)


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_no_delivery(status: int) -> None:
    outcome = classify(of_call(str(status), status))

    assert isinstance(outcome, Deferred)
    assert outcome.blame is Blame.PEER
    assert "redirect" in outcome.reason


@pytest.mark.parametrize(
    ("refusal", "outcome"),
    [
        (
            of_entry("InvalidMessageContents", by_sender=True),
            refused("InvalidMessageContents: so it is", Fault.TRIGGER),
        ),
        (
            of_entry("InternalError", by_sender=False),
            Deferred("InternalError: so it is"),
        ),
        (
            of_entry("ServiceUnavailable", by_sender=False),
            Deferred("ServiceUnavailable: so it is"),
        ),
        (
            # SQS calls it the sender's fault on FIFO queues of high throughput.
            of_entry("ThrottlingException", by_sender=True),
            throttled("ThrottlingException: so it is"),
        ),
        (
            of_entry("KMS.ThrottlingException", by_sender=True),
            throttled("KMS.ThrottlingException: so it is"),
        ),
        (
            of_entry("KMS.DisabledException", by_sender=True),
            refused("KMS.DisabledException: so it is", Fault.DEFINITION),
        ),
        (
            of_entry("AccessDenied", by_sender=True),
            credential("AccessDenied: so it is"),
        ),
    ],
)
def test_an_entry_is_classified_by_its_code_before_the_senders_fault(
    refusal: Refusal, outcome: Outcome
) -> None:
    assert classify(refusal) == outcome


def test_a_refusal_without_a_message_has_its_code_as_the_reason() -> None:
    refusal = Refusal(code="InternalError", message="", by_sender=False)

    assert classify(refusal) == Deferred("InternalError")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidMessageContents", 400),
        ("BatchRequestTooLong", 400),
        ("SomethingNew", 400),
    ],
)
def test_a_call_may_have_been_refused_for_one_entry(code: str, status: int) -> None:
    assert may_concern_one_entry(of_call(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("QueueDoesNotExist", 400),
        ("AccessDenied", 403),
        ("Throttling", 400),
        ("ServiceUnavailable", 503),
        ("InternalFailure", 500),
    ],
)
def test_some_refusals_are_about_every_entry(code: str, status: int) -> None:
    assert not may_concern_one_entry(of_call(code, status))
