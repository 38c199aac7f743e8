from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.action import EmailSmtp
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.dispatchers.sqs.action import QueueSqs
from keyrelay.model.action import Action
from keyrelay.model.action_document import LONGEST_BODY
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.settlement import STANDARD, Schedule
from keyrelay.model.tags import Tag, Tagged
from keyrelay.model.templates import Template
from tests.samples import (
    ACTIONS,
    MAIL_ACTION,
    MAIL_DOES,
    MAIL_SECRET,
    PROFILE,
    QUEUE_DOES,
    QUEUE_SECRET,
)

MAIL: Mapping[str, object] = {"name": "Tell", "action": MAIL_DOES}
QUEUE: Mapping[str, object] = {"name": "Tell", "action": QUEUE_DOES}


def parse(document: Mapping[str, object]) -> Action:
    return ACTIONS.parse(document, MAIL_ACTION, PROFILE)


def parse_email_smtp(**fields: object) -> EmailSmtp:
    does = parse({**MAIL, "action": {**MAIL_DOES, **fields}}).instruction
    assert isinstance(does, EmailSmtp)
    return does


def parse_queue_sqs(**fields: object) -> QueueSqs:
    does = parse({**QUEUE, "action": {**QUEUE_DOES, **fields}}).instruction
    assert isinstance(does, QueueSqs)
    return does


def test_the_smallest_action_is_active_and_unlocked() -> None:
    action = parse(MAIL)

    assert action.tagged == Tagged(
        kind="action", profile=PROFILE, id=MAIL_ACTION, tags=()
    )
    assert (action.name, action.active, action.locked) == ("Tell", True, False)
    assert action.schedule == STANDARD


def test_an_action_is_read_whole() -> None:
    action = parse(
        {
            **MAIL,
            "active": False,
            "lock": True,
            "tags": [{"key": "site", "value": "north"}],
            "description": "Tells somebody.\n",
            "type": "mqtt_topic",
            "trigger": [{"whatever": 1}],
            "trigger_when_unlock": True,
            "retry": {"attempts": 3, "first_seconds": 1, "longest_seconds": 60},
        }
    )

    assert (action.active, action.locked) == (False, True)
    assert action.tagged.tags == (Tag("site", "north"),)
    assert action.schedule == Schedule(
        attempts=3, first=timedelta(seconds=1), longest=timedelta(minutes=1)
    )


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
    assert mail.subject == Template.parse("$VARIABLE$ is $VALUE$")
    assert mail.text == Template.parse("It is $VALUE$ $UNIT$.")
    assert mail.html == Template.parse("<b>$VALUE$</b>")


@pytest.mark.parametrize("absent", [None, ""])
def test_a_mail_needs_no_copies(absent: object) -> None:
    mail = parse_email_smtp(cc=absent, bcc=absent, reply_to=absent)

    assert mail == parse_email_smtp()


def test_a_mail_may_be_html_alone() -> None:
    does = {name: value for name, value in MAIL_DOES.items() if name != "message"}

    mail = parse({**MAIL, "action": {**does, "html": "<p>"}}).instruction

    assert isinstance(mail, EmailSmtp)
    assert (mail.text, mail.html) == (Template(()), Template(("<p>",)))


def test_the_smallest_queue_action_sends_each_data_point() -> None:
    assert parse(QUEUE).instruction == QueueSqs(secret=QUEUE_SECRET, batched=False)


def test_a_queue_action_is_read_whole() -> None:
    queue = parse_queue_sqs(
        batch_enabled=True,
        message="$VALUE$",
        group_id="$DEVICE$",
        deduplication_id="$TIME$",
        delay_seconds=900,
        attributes={"site.name": "north", "unit": "$UNIT$"},
    )

    assert queue.batched
    assert queue.body == Template.parse("$VALUE$")
    assert queue.routing.group_id == Template.parse("$DEVICE$")
    assert queue.routing.deduplication_id == Template.parse("$TIME$")
    assert queue.routing.delay == timedelta(minutes=15)
    assert queue.attributes == (
        ("site.name", Template.parse("north")),
        ("unit", Template.parse("$UNIT$")),
    )


REFUSED: list[tuple[str, object, str]] = [
    ("name", None, "name must be a string"),
    ("name", "", "name must have 1 to 100 characters"),
    ("name", "Tell\u200b", "name must not hold invisible characters"),
    ("active", 1, "active must be true or false"),
    ("lock", "no", "lock must be true or false"),
    ("tags", None, "tags must be a list"),
    ("description", "d" * 2001, "description must have 0 to 2000 characters"),
    ("trigger", {}, "trigger must be a list"),
    ("trigger", [0] * 101, "trigger must have at most 100 entries"),
    ("trigger_when_unlock", 0, "trigger_when_unlock must be true or false"),
    ("type", "whenever", "type must be one of condition, resource, interval"),
    ("type", ["condition"], "type must be one of condition, resource, interval"),
    ("action", None, "action must be an object"),
    ("action", {}, "a supported kind: email-smtp and queue-sqs$"),
    ("action", {"type": "script"}, "a supported kind: email-smtp and queue-sqs$"),
    ("action", {"type": "sms"}, "a supported kind: email-smtp and queue-sqs$"),
    ("lokc", True, "an action has no field 'lokc'"),
    ("retry", [], "retry must be an object"),
    ("retry", {"atempts": 1}, "retry has no field 'atempts'"),
    ("retry", {"attempts": 0}, "retry.attempts must be a whole number from 1 to 100"),
    ("retry", {"attempts": 101}, "retry.attempts must be a whole number"),
    ("retry", {"attempts": True}, "retry.attempts must be a whole number"),
    ("retry", {"attempts": 1.0}, "retry.attempts must be a whole number"),
    ("retry", {"first_seconds": 0}, "retry.first_seconds .* from 1 to 86400"),
    ("retry", {"longest_seconds": 86401}, "retry.longest_seconds .* 1 to 86400"),
    ("retry", {"first_seconds": 901}, "retry.first_seconds must not exceed"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED)
def test_a_malformed_action_is_refused(
    field: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse({**MAIL, field: value})


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
    ("subject", "=?utf-8?q?=0A?=", "subject must not hold control characters or '=.'"),
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


REFUSED_IN_QUEUE: list[tuple[str, object, str]] = [
    ("sqs_secret", "q" * 24, "sqs_secret must be a secret's 24-character id"),
    ("batch_enabled", "yes", "batch_enabled must be true or false"),
    ("message", "", "message must have 1 to 262144 characters"),
    ("group_id", "g" * 129, "group_id must have 1 to 128 characters"),
    ("deduplication_id", "", "deduplication_id must have 1 to 128 characters"),
    ("delay_seconds", 901, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", -1, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", True, "delay_seconds must be a whole number from 0 to 900"),
    ("delay_seconds", "5", "delay_seconds must be a whole number from 0 to 900"),
    ("attributes", [], "attributes must be an object"),
    ("attributes", {f"a{n}": "v" for n in range(11)}, "attributes must be at most 10"),
    ("attributes", {"": "v"}, "an attribute's name has"),
    ("attributes", {"a b": "v"}, "an attribute's name has"),
    ("attributes", {"a..b": "v"}, "an attribute's name has"),
    ("attributes", {".a": "v"}, "an attribute's name has"),
    ("attributes", {"ä": "v"}, "an attribute's name has"),
    ("attributes", {"AWS.trace": "v"}, "an attribute's name has"),
    ("attributes", {"amazon.x": "v"}, "an attribute's name has"),
    ("attributes", {"a" * 257: "v"}, "an attribute's name has"),
    ("attributes", {"a": ""}, "attribute a must have 1 to 262144 characters"),
    ("attributes", {"a": 1}, "attribute a must be a string"),
    ("smtp_secret", MAIL_SECRET, "a queue-sqs action has no field 'smtp_secret'"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), REFUSED_IN_QUEUE)
def test_a_malformed_queue_action_is_refused(
    field: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidDefinition, match=sentence):
        parse_queue_sqs(**{field: value})


@pytest.mark.parametrize("name", ["aws", "awsome.b", "amazons", "a" * 256, "a-b.c_d"])
def test_an_attribute_may_be_called(name: str) -> None:
    assert parse_queue_sqs(attributes={name: "v"}).attributes[0][0] == name


@pytest.mark.parametrize("seconds", [0, 1, 900])
def test_a_delay_is_of_whole_seconds_up_to_fifteen_minutes(seconds: int) -> None:
    delay = parse_queue_sqs(delay_seconds=seconds).routing.delay

    assert delay == timedelta(seconds=seconds)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    base=st.sampled_from([MAIL, QUEUE]),
    outer=st.dictionaries(
        st.sampled_from(["name", "active", "lock", "tags", "type", "trigger", "retry"]),
        JSON,
    ),
    inner=st.dictionaries(
        st.sampled_from(["to", "cc", "html", "message", "attributes", "group_id"]), JSON
    ),
)
def test_any_document_is_an_action_or_refused(
    base: Mapping[str, object], outer: dict[str, object], inner: dict[str, object]
) -> None:
    does = base["action"]
    assert isinstance(does, Mapping)
    try:
        action = parse({**base, **outer, "action": {**does, **inner}})
    except InvalidDefinition as refusal:
        words = str(refusal)
    else:
        words = action.name
    assert words
