"""The action `email-smtp`: how it is read, and the mail composed from it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from keyrelay.dispatchers.smtp.action import EmailSmtp, Mail, MailIdentity
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.model.action_document import LONGEST_BODY
from keyrelay.model.data_point import DataPoint
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.outcome import Fault, Rejected
from keyrelay.model.templates import Fact, Template
from tests.samples import (
    DAY,
    MAIL_DOES,
    MAIL_SECRET,
    NOON,
    PROFILE,
    QUEUE_SECRET,
    a_trigger,
    an_action,
)
from tests.unit.dispatchers.composing import (
    COLD,
    NOTHING_DONE,
    WARM,
    compose,
    missing_facts,
    trigger,
)


def parse_email_smtp(**fields: object) -> EmailSmtp:
    instruction = an_action({**MAIL_DOES, **fields}).instruction
    assert isinstance(instruction, EmailSmtp)
    return instruction


def test_a_mail_is_read_whole() -> None:
    mail = parse_email_smtp(
        cc="cc@example.com",
        bcc="Bea <bcc@example.com>, bcd@example.com",
        reply_to="help@example.com",
        html="<b>$VALUE$</b>",
    )

    assert mail.secret == MAIL_SECRET
    assert mail.sender == Mailbox("relay@example.com", "Keyrelay")
    assert mail.recipients.to == (
        Mailbox("ada@example.com"),
        Mailbox("bob@example.com"),
    )
    assert mail.recipients.cc == (Mailbox("cc@example.com"),)
    assert [box.address for box in mail.recipients.bcc] == [
        "bcc@example.com",
        "bcd@example.com",
    ]
    assert mail.recipients.reply_to == (Mailbox("help@example.com"),)
    content = mail.content
    assert content.subject == Template.parse("$VARIABLE$ is $VALUE$")
    assert content.text == Template.parse("It is $VALUE$ $UNIT$.")
    assert content.html is not None
    assert content.html.fill({Fact.VALUE: "<i>"}) == "<b>&lt;i&gt;</b>"


@pytest.mark.parametrize("absent", [None, ""])
def test_a_mail_needs_no_copies(absent: object) -> None:
    mail = parse_email_smtp(cc=absent, bcc=absent, reply_to=absent)

    assert mail == parse_email_smtp()


def test_a_mail_may_be_html_alone() -> None:
    does = {name: value for name, value in MAIL_DOES.items() if name != "message"}

    mail = an_action({**does, "html": "<p>"}).instruction

    assert isinstance(mail, EmailSmtp)
    content = mail.content
    assert (content.text, content.html) == (Template.parse(""), Template.parse("<p>"))


REFUSED_IN_MAIL: list[tuple[str, object, str]] = [
    ("smtp_secret", None, "smtp_secret must be a secret's 24-character id"),
    ("smtp_secret", "smtp", "smtp_secret must be a secret's 24-character id"),
    ("smtp_secret", 5, "smtp_secret must be a secret's 24-character id"),
    ("from", None, "from must be a string"),
    ("from", "nobody", "from must hold addresses"),
    ("to", None, "to must be a string"),
    ("to", "a@good.example <evil@x.example>, nobody", "to must hold addresses"),
    ("cc", "nobody", "cc must hold addresses"),
    ("cc", 0, "cc must be a string"),
    ("bcc", [], "bcc must be a string"),
    ("bcc", "nobody", "bcc must hold addresses"),
    ("reply_to", False, "reply_to must be a string"),
    ("subject", None, "subject must be a string"),
    ("subject", "s" * 501, "subject must have 0 to 500 characters"),
    ("subject", "a\nBcc: evil@x.example", "subject must not hold control characters"),
    ("subject", "a \u202e b", "subject must not hold control characters"),
    ("message", 1, "message must be a string"),
    ("message", "m" * (LONGEST_BODY + 1), "message must have 0 to 262144 characters"),
    ("html", "", "html must have 1 to 262144 characters"),
    ("message", None, "an email-smtp action needs a message, html or both"),
    ("sqs_secret", QUEUE_SECRET, "an email-smtp action has no field 'sqs_secret'"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED_IN_MAIL)
def test_a_malformed_mail_is_refused(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse_email_smtp(**{field: value})


def mail(
    *points: Mapping[str, object],
    done: frozenset[str] = NOTHING_DONE,
    **fields: object,
) -> Mail:
    message = compose(an_action({**MAIL_DOES, **fields}), trigger(*points), done)
    assert isinstance(message, Mail)
    return message


def test_a_mail_is_filled_with_the_first_data_point() -> None:
    sent = mail(WARM, COLD)

    assert (sent.subject, sent.text) == ("temperature is 21.5", "It is 21.5 °C.")
    assert sent.html is None


def test_a_mail_without_data_leaves_placeholders_empty() -> None:
    assert (mail().subject, mail().text) == (" is ", "It is  .")


def test_data_in_html_is_escaped_and_in_text_is_not() -> None:
    sent = mail({"value": "<b>&"}, html="<i>$VALUE$</i>", message="$VALUE$")

    assert sent.html == "<i>&lt;b&gt;&amp;</i>"
    assert sent.text == "<b>&"


def test_the_state_of_a_performed_action_is_unlocked() -> None:
    assert mail(message="$ACTION.STATE$").text == "unlocked"


def test_message_id_and_date_are_the_same_on_every_attempt() -> None:
    first, second = mail(WARM), mail(WARM, done=frozenset({"ada@example.com"}))

    expected = MailIdentity(message_id=f"<t1.{PROFILE}@example.com>", date=NOON)
    assert first.identity == second.identity == expected


def test_a_mail_has_the_date_that_its_source_decided() -> None:
    of = a_trigger()
    lifetime = replace(of.lifetime, raised_at=NOON - 30 * DAY).dated(NOON)

    composed = parse_email_smtp().compose(replace(of, lifetime=lifetime), ())

    assert isinstance(composed, Mail)
    assert composed.identity.date == NOON


def test_each_address_is_a_recipient_once_in_the_order_of_the_fields() -> None:
    sent = mail(cc="cc@example.com, ada@example.com", bcc="bcc@example.com")

    assert sent.recipients == (
        "ada@example.com",
        "bob@example.com",
        "cc@example.com",
        "bcc@example.com",
    )


def test_a_reply_address_gets_no_mail() -> None:
    assert "help@example.com" not in mail(reply_to="help@example.com").recipients


def test_recipients_of_earlier_attempts_are_left_out() -> None:
    assert mail(done=frozenset({"ada@example.com"})).recipients == ("bob@example.com",)


def test_what_a_subject_cannot_carry_is_replaced_and_said() -> None:
    sent = mail({"value": "a\r\nBcc: evil@x.example"}, message="")

    assert sent.replaced == ("subject",)


def test_placeholders_without_a_fact_are_named_once_in_order() -> None:
    action = an_action({**MAIL_DOES, "html": "$UNIT$ $DEVICE$ $ACTION.STATE$"})

    assert missing_facts(action, trigger({"value": 1})) == (
        Fact.DEVICE,
        Fact.UNIT,
        Fact.VARIABLE,
    )
    assert missing_facts(an_action(), trigger(WARM)) == ()


def test_a_subject_too_long_to_fold_in_time_is_the_triggers_fault() -> None:
    endless = DataPoint({Fact.VALUE: "é " * 100_000}, {})

    refused = compose(an_action(), a_trigger(endless), frozenset())

    assert isinstance(refused, Rejected)
    assert refused.fault is Fault.TRIGGER
    assert "longer than 1000" in refused.reason


def test_no_mail_is_composed_when_no_recipient_remains() -> None:
    done = frozenset({"ada@example.com", "bob@example.com"})

    outcome = compose(an_action(), trigger(WARM, COLD), done)

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("nothing is left to send")


def test_texts_are_measured_before_they_are_filled() -> None:
    point = {"value": "=" * 1_000_000}
    action = an_action({**MAIL_DOES, "message": "$VALUE$" * 32_000})

    outcome = compose(action, trigger(point), NOTHING_DONE)

    assert isinstance(outcome, Rejected)
    assert outcome.fault is Fault.TRIGGER
    assert "more than 10485760 bytes" in outcome.reason


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("x" * 1_000_000, {"message": "$VALUE$" * 8, "html": "$VALUE$$VALUE$$VALUE$"}),
        ("ü" * 160_000, {"message": "$VALUE$" * 33}),
        ("<" * 900_000, {"html": "$VALUE$$VALUE$$VALUE$"}),
        ("x" * 1_000_000, {"subject": "$VALUE$" * 11}),
    ],
    ids=["text and HTML", "bytes, not characters", "escaped", "subject"],
)
def test_the_texts_of_a_mail_are_bounded_together(
    value: str, fields: Mapping[str, object]
) -> None:
    action = an_action({**MAIL_DOES, **fields})

    outcome = compose(action, trigger({"value": value}), NOTHING_DONE)

    assert isinstance(outcome, Rejected)
    assert "more than 10485760 bytes" in outcome.reason


def test_a_mail_may_have_ten_mebibytes() -> None:
    action = an_action({**MAIL_DOES, "subject": "", "message": "$VALUE$" * 10})

    composed = compose(action, trigger({"value": "x" * 1_048_000}), NOTHING_DONE)

    assert isinstance(composed, Mail)
    assert len(composed.text) == 10_480_000


def test_an_action_remarks_on_what_is_no_placeholder() -> None:
    remarks = parse_email_smtp(subject="$OWNER$", message="$a.b$", html="$C$").remarks

    assert [remark.split()[0] for remark in remarks] == ["$C$", "$OWNER$", "$a.b$"]
    assert parse_email_smtp(subject="$$OWNER$$").remarks == ()
