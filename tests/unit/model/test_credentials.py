import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.credentials import smtp_credentials
from keyrelay.dispatchers.sqs.credentials import sqs_credentials
from keyrelay.model.credentials import (
    TEXT,
    SecretDraft,
    parse_credential,
    parse_secret,
    parse_secret_edit,
)
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.secret import SecretValue
from keyrelay.model.tags import Tag
from tests.samples import Operator, secret_rules
from tests.unit.vault.exposure import everything_said

CANARY = "canary-7f3a"
RULES = secret_rules(Operator())
TAGS = [{"key": "site", "value": "north"}]
NO_VALUE = "value must be a string, or an object of exactly the fields of its type"
SMTP: dict[str, object] = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay@example.com",
    "password": "hunter2",
}
SQS: dict[str, object] = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "wJalrXUtnFEMI",
}
FIFO = SQS | {"queue_url": f"{SQS['queue_url']}.fifo"}
OPTIONAL: Mapping[str, dict[str, object]] = {
    "smtp": {},
    "aws-sqs": {"session_token": "FwoGZXIvYXdzE"},
}
TYPED: Mapping[str, dict[str, object]] = {
    "smtp": SMTP,
    "aws-sqs": SQS,
}


def draft(value: object, **fields: object) -> SecretDraft:
    return parse_secret({"key": "k", "value": value, "tags": TAGS} | fields, RULES)


def refusal_of(value: object, **fields: object) -> str:
    """Return the sentence with which it is refused; nothing of it is a value."""
    with pytest.raises(InvalidDefinition) as refusal:
        draft(value, **fields)

    assert CANARY not in everything_said(refusal.value)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


# What is kept


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (SMTP, "smtp"),
        (SQS, "aws-sqs"),
        ("hunter2", "text"),
        ("[]", "text"),
        ('{"username": "a"}', "text"),
        (json.dumps(SMTP | {"tls": True}), "text"),
        (json.dumps(SQS | {"tls": True}), "text"),
    ],
)
def test_the_type_left_out_is_the_one_whose_fields_the_value_has(
    value: object, type_: str
) -> None:
    text = json.dumps(value) if isinstance(value, dict) else value

    assert draft(value).type == type_
    assert draft(text).type == type_


def test_a_value_is_kept_as_it_was_written() -> None:
    text = json.dumps(SMTP, indent=4)

    assert draft(text).value.reveal() == text
    assert draft("  text\n").value.reveal() == "  text\n"


def test_an_object_is_kept_as_the_json_of_it() -> None:
    assert json.loads(draft(SMTP).value.reveal()) == SMTP


def test_a_type_given_beats_what_the_value_looks_like() -> None:
    assert draft(json.dumps(SMTP), type="text").type == "text"
    assert draft(SMTP, type="smtp").type == "smtp"
    assert draft(SMTP, type=None).type == "smtp"


def test_a_draft_has_its_key_and_tags() -> None:
    kept = draft("x", key="mail.relay_1-b")

    assert (kept.key, kept.tags) == ("mail.relay_1-b", (Tag("site", "north"),))


def test_a_fifo_queue_is_known_as_one() -> None:
    assert draft(FIFO).fifo
    assert not draft(SQS).fifo
    assert not draft(SMTP).fifo
    assert not draft("x").fifo


def test_a_text_has_up_to_2048_characters_however_many_bytes() -> None:
    assert draft("é" * 2048).value.reveal() == "é" * 2048


# What is refused, each with one sentence


@pytest.mark.parametrize("type_", ["smtp", "aws-sqs"])
def test_a_value_that_is_no_json_is_not_taken_for_a_flaw_of_the_request(
    type_: str,
) -> None:
    refusal = refusal_of("hunter2", type=type_)

    assert refusal.startswith("value: expected one JSON object: ")
    assert "hunter2" not in refusal


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"value": "x" * 2049}, "value must have 1 to 2048 characters"),
        ({"value": ""}, "value must have 1 to 2048 characters"),
        ({"value": None}, NO_VALUE),
        ({"value": 1}, NO_VALUE),
        ({"value": {"a": "b"}}, NO_VALUE),
        ({"value": "\ud800"}, "value must be text of at most 8192 bytes"),
        ({"value": "é" * 4097}, "value must be text of at most 8192 bytes"),
        ({"key": "a key"}, "key has 1 to 100 letters, digits, '_', '-' and '.'"),
        ({"key": "schlüssel"}, "key has 1 to 100 letters, digits, '_', '-' and '.'"),
        ({"key": "key\n"}, "key has 1 to 100 letters, digits, '_', '-' and '.'"),
        ({"key": ""}, "key must have 1 to 100 characters"),
        ({"key": "k" * 101}, "key must have 1 to 100 characters"),
        ({"key": None}, "key must be a string"),
        ({"tags": TAGS * 31}, "tags must have at most 30 entries"),
        ({"tags": []}, "a secret needs at least one tag"),
        ({"tags": None}, "tags must be a list"),
        ({"tags": TAGS * 2}, "tags must not have the same key twice"),
        ({"type": "ftp"}, "type must be one of text, smtp, aws-sqs"),
        ({"type": ["smtp"]}, "type must be one of text, smtp, aws-sqs"),
        ({"id": "1"}, "a secret has no field 'id'; it has key, tags, type, value"),
    ],
)
def test_a_secret_is_refused_with_one_sentence(
    fields: dict[str, object], sentence: str
) -> None:
    assert refusal_of(**({"value": "x"} | fields)) == sentence


def test_tags_left_out_are_no_tags() -> None:
    document = {"key": "k", "value": "x"}

    with pytest.raises(InvalidDefinition, match="a secret needs at least one tag"):
        parse_secret(document, RULES)

    assert parse_secret(document, replace(RULES, tags_required=False)).tags == ()


BAD_SMTP: list[tuple[str, object, str]] = [
    ("smtp_port", 25, "smtp_port must be 587; KEYRELAY_SMTP_PORTS allows others"),
    ("smtp_port", "587", "smtp_port must be a number, without quotation marks"),
    ("smtp_port", "submission", "smtp_port must be 587"),
    ("smtp_port", 587.0, "smtp_port must be 587"),
    ("smtp_port", None, "smtp_port must be 587"),
    ("smtp_server", "", "smtp_server must have 1 to 1024 characters"),
    ("smtp_server", None, "smtp_server must be a string"),
    ("username", 1, "username must be a string"),
    ("username", "a\r\nb", "username must not hold U+000D (control character), which"),
    ("password", "", "password must have 1 to 1024 characters"),
    ("password", "p" * 1025, "password must have 1 to 1024 characters"),
    (
        "password",
        f"{CANARY}\n",
        "password must not hold U+000A (control character), wh",
    ),
    (
        "password",
        f"{CANARY}\u2028",
        "password must not hold U+2028 (line separator), w",
    ),
    ("password", [CANARY], "password must be a string"),
]
BAD_SQS: list[tuple[str, object, str]] = [
    ("aws_region", "us-east-1", "queue_url is of another region than aws_region"),
    ("aws_region", f"{CANARY}!", "aws_region must look like eu-central-1"),
    ("aws_region", "eu-central-1\n", "aws_region must not hold U+000A"),
    ("aws_region", None, "aws_region must be a string"),
    ("queue_url", f"https://{CANARY}/123456789012/q", "queue_url is not at AWS"),
    ("queue_url", CANARY, "queue_url must look like"),
    ("queue_url", f"https://[{CANARY}/", "queue_url must look like"),
    ("queue_url", 1, "queue_url must be a string"),
    ("access_key_id", "", "access_key_id must have 1 to 1024 characters"),
    ("access_key_id", f"{CANARY}\x00", "access_key_id must not hold U+0000"),
    ("secret_access_key", None, "secret_access_key must be a string"),
    ("secret_access_key", f"{CANARY}\x7f", "secret_access_key must not hold U+007F"),
    ("access_key_id", f"ASIA{CANARY}", "access_key_id is of a temporary key, which"),
    ("session_token", "", "session_token must have 1 to 4096 characters"),
    ("session_token", f"{CANARY}\n", "session_token must be printable ASCII"),
    ("session_token", f"{CANARY}ü", "session_token must be printable ASCII"),
    ("session_token", [CANARY], "session_token must be a string"),
]


@pytest.mark.parametrize("key_id", ["ASIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"])
def test_a_key_may_be_temporary(key_id: str) -> None:
    value = SQS | OPTIONAL["aws-sqs"] | {"access_key_id": key_id}

    assert draft(value).type == "aws-sqs"


BAD = [("smtp", *bad) for bad in BAD_SMTP]
BAD += [("aws-sqs", *bad) for bad in BAD_SQS]


@pytest.mark.parametrize(("type_", "field", "value", "sentence"), BAD)
def test_a_field_that_no_dispatcher_could_use_is_refused(
    type_: str, field: str, value: object, sentence: str
) -> None:
    fields = TYPED[type_] | {field: value}

    assert refusal_of(fields, type=type_).startswith(sentence)
    assert refusal_of(json.dumps(fields), type=type_).startswith(sentence)


@pytest.mark.parametrize("type_", TYPED)
def test_a_missing_field_is_named(type_: str) -> None:
    for field in TYPED[type_]:
        fields = {name: CANARY for name in TYPED[type_] if name != field}

        sentence = f"a secret of type {type_} needs {field}"
        assert refusal_of(fields, type=type_) == sentence


@pytest.mark.parametrize("type_", TYPED)
def test_a_field_too_many_is_refused_and_not_named(type_: str) -> None:
    names = ", ".join(sorted(TYPED[type_] | OPTIONAL[type_]))

    sentence = f"a secret of type {type_} has only {names}"
    assert refusal_of(TYPED[type_] | {CANARY: 1}, type=type_) == sentence


@pytest.mark.parametrize("type_", TYPED)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(
            lambda text: text[:-1] + f', "{CANARY}": 1}}', id="field too many"
        ),
        pytest.param(lambda text: text.replace("{", '{"username": 1, "username": 2, ')),
        pytest.param(lambda text: f"[{text}]", id="in a list"),
        pytest.param(lambda text: text[:-1] + ', "x": NaN}', id="NaN"),
        pytest.param(lambda text: text.replace('":', '"'), id="no JSON"),
        pytest.param(lambda _: CANARY, id="a bare word"),
        pytest.param(lambda _: f'"{CANARY}"', id="a string"),
        pytest.param(lambda _: f'"{CANARY}\\ud800"', id="a lone surrogate"),
    ],
)
def test_a_refusal_never_quotes_what_may_be_secret(
    type_: str, spoil: Callable[[str], str]
) -> None:
    text = json.dumps(dict.fromkeys(TYPED[type_], CANARY))

    assert refusal_of(spoil(text), type=type_)


@pytest.mark.parametrize(
    "host",
    [
        "mail.example.com",
        "mx_1.example.com",
        "_submission.example.com",
        "xn--mil-zla.example.com",
        "mail.example.com.",
        "MAIL.Example.com",
        "localhost",
        "1and1.example.com",
        "192.0.2.1",
        "2001:db8::1",
        "2001:DB8::1",
    ],
)
def test_a_host_may_be_a_name_or_a_plain_address(host: str) -> None:
    assert draft(SMTP | {"smtp_server": host}).type == "smtp"


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "127.0.0.01",
        "①②⑦.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
        "2001:0db8::0001",
        "mail..example.com",
        "-mail.example.com",
        "mail-.example.com",
        "127\u30020\u30020.1",
        "mäil..example.com",
        "\u2603.example.com",
        "mail,example.com",
        ".",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5),
    ],
)
def test_a_host_that_a_resolver_may_read_otherwise_is_refused(host: str) -> None:
    sentence = "smtp_server must be a host name like mail.example.com"

    assert refusal_of(SMTP | {"smtp_server": host}) == sentence


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("smtp://mail.example.com", "not a URL"),
        ("smtps://mail.example.com:465", "not a URL"),
        ("https://mail.example.com/", "not a URL"),
        (f"smtp://ada:{CANARY}@mail.example.com:587", "not a URL"),
        ("//mail.example.com", "not a URL"),
        ("mail.example.com/", "not a URL"),
        ("mail.example.com:587", "without a port"),
        ("192.0.2.1:465", "without a port"),
        ("[2001:db8::1]:587", "without a port"),
        ("mail.example.com:submission", "without a port"),
        ("mail.example.com:", "without a port"),
        ("user@mail.example.com", "not a mail address, which belongs in username"),
        ("[2001:db8::1]", "or an IP address without brackets"),
        (" mail.example.com", "without blanks"),
        ("mail example.com", "without blanks"),
    ],
)
def test_what_people_write_for_a_host_is_told_what_to_write(
    host: str, what: str
) -> None:
    sentence = refusal_of(SMTP | {"smtp_server": host})

    assert sentence.startswith("smtp_server must be a host name like mail.example.com,")
    assert what in sentence


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("mäil.example.com", "xn--mil-qla.example.com"),
        ("MÄIL.example.com.", "xn--mil-qla.example.com."),
        ("post.faß.example", "post.xn--fa-hia.example"),
        ("пошта.example", "xn--80a1acn3a.example"),
    ],
)
def test_a_host_beyond_ascii_is_asked_for_in_a_labels(written: str, asked: str) -> None:
    value = draft(SMTP | {"smtp_server": written}).value

    assert smtp_credentials(value, {587}).smtp_server == asked


@pytest.mark.parametrize(
    ("password", "named"),
    [
        ("abcd\u00a0efgh", "U+00A0 (no-break space), which is its character 5:"),
        ("\u200bsecret", "U+200B (zero width space), which is its character 1:"),
        (
            "secret\ufeff",
            "U+FEFF (zero width no-break space), which is its character 7:",
        ),
        ("a\u3000b\u00a0", "U+3000 (ideographic space), which is its character 2:"),
        ("a\tb", "U+0009 (control character), which is its character 2:"),
    ],
)
def test_what_cannot_be_seen_in_a_password_is_named_with_its_place(
    password: str, named: str
) -> None:
    assert named in refusal_of(SMTP | {"password": password})


@pytest.mark.parametrize("type_", TYPED)
def test_some_members_are_judged_as_all_of_them_would_be(type_: str) -> None:
    check_some = RULES.types[type_].check_some

    some: dict[str, object] = {}
    for name, value in TYPED[type_].items():
        some[name] = value
        check_some(some)


@pytest.mark.parametrize(
    ("type_", "some"),
    [
        ("smtp", {"smtp_server": "smtp://mail.example.com"}),
        ("smtp", {"smtp_server": "mail.example.com", "smtp_port": 25}),
        ("smtp", {"username": "ada\u00a0"}),
        ("aws-sqs", {"aws_region": "Frankfurt"}),
        ("aws-sqs", {"aws_region": "eu-central-1", "queue_url": "orders"}),
    ],
)
def test_a_member_that_cannot_be_used_is_refused_before_the_others_are_known(
    type_: str, some: dict[str, object]
) -> None:
    with pytest.raises(InvalidDefinition):
        RULES.types[type_].check_some(some)


def test_the_operator_may_allow_other_ports() -> None:
    ports = {2525, 587}
    other = SMTP | {"smtp_port": 2525}

    assert smtp_credentials(SecretValue(json.dumps(other)), ports).smtp_port == 2525
    with pytest.raises(InvalidDefinition, match="smtp_port must be 587, 2525;"):
        smtp_credentials(SecretValue(json.dumps(SMTP | {"smtp_port": 25})), ports)


def test_the_operator_may_allow_an_endpoint() -> None:
    endpoints = ["http://127.0.0.1:4566"]
    local = SQS | {"queue_url": "http://127.0.0.1:4566/000000000000/orders"}

    found = sqs_credentials(SecretValue(json.dumps(local)), endpoints)

    assert found.queue_url.endpoint == "http://127.0.0.1:4566"
    assert refusal_of(local).startswith("queue_url is not at AWS")


# What is read back


def test_smtp_credentials_are_read() -> None:
    found = smtp_credentials(draft(SMTP).value, {587})

    assert (found.smtp_server, found.smtp_port) == ("mail.example.com", 587)
    assert found.username == "relay@example.com"
    assert found.password.reveal() == "hunter2"


def test_sqs_credentials_are_read() -> None:
    found = sqs_credentials(draft(FIFO).value, ())

    assert found.queue_url.url == FIFO["queue_url"]
    assert found.access_key_id == "AKIAIOSFODNN7EXAMPLE"
    assert found.secret_access_key.reveal() == "wJalrXUtnFEMI"


def test_credentials_do_not_show_themselves() -> None:
    smtp = smtp_credentials(draft(SMTP).value, {587})
    sqs = sqs_credentials(draft(SQS).value, ())

    shown = f"{smtp} {smtp!r} {sqs} {sqs!r} {draft(SMTP)!r}"
    for said in ("hunter2", "wJalr", "relay@", "AKIA", "mail.example.com", "orders"):
        assert said not in shown


# Edits


def edit_refusal(document: dict[str, object], type_: str) -> str:
    with pytest.raises(InvalidDefinition) as refusal:
        parse_secret_edit(document, type_, RULES)

    assert CANARY not in everything_said(refusal.value)
    return str(refusal.value)


def test_an_edit_may_replace_the_value_alone() -> None:
    edit = parse_secret_edit({"value": FIFO}, "aws-sqs", RULES)

    assert edit.value is not None
    assert json.loads(edit.value.reveal()) == FIFO
    assert (edit.tags, edit.fifo) == (None, True)


def test_an_edit_may_replace_the_tags_alone() -> None:
    edit = parse_secret_edit({"tags": TAGS}, "aws-sqs", RULES)

    assert (edit.tags, edit.value) == ((Tag("site", "north"),), None)
    assert not edit.fifo


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"key": "k"}, "a secret's key never changes; create another secret"),
        ({}, "an edit of a secret gives a value, tags or both"),
        ({"type": "text"}, "a secret's edit has no field 'type'; it has tags, value"),
        ({"tags": []}, "a secret needs at least one tag"),
        ({"value": "x" * 2049}, "value must have 1 to 2048 characters"),
        ({"value": SMTP}, NO_VALUE),
    ],
)
def test_an_edit_is_refused_with_one_sentence(
    document: dict[str, object], sentence: str
) -> None:
    assert edit_refusal(document, "text") == sentence


def test_an_edit_keeps_the_type() -> None:
    assert edit_refusal({"value": CANARY}, "smtp")
    assert edit_refusal({"value": SQS}, "smtp").startswith("a secret of type")


# Properties

WORDS = st.text(max_size=20) | st.sampled_from(["mail.example.com", "587", "[", "::1"])
VALUES = WORDS | st.integers() | st.none() | st.lists(WORDS, max_size=2)


@given(
    type_=st.sampled_from(["text", "smtp", "aws-sqs"]),
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys([*SMTP, *SQS], VALUES))
    | st.sampled_from([SMTP, SQS]).flatmap(
        lambda good: st.fixed_dictionaries(
            {name: st.just(value) | VALUES for name, value in good.items()}
        )
    ),
)
def test_whatever_is_written_is_kept_or_refused(
    type_: str, fields: dict[str, object]
) -> None:
    document = {"key": "k", "value": json.dumps(fields), "type": type_, "tags": TAGS}
    try:
        kept = parse_secret(document, RULES)
    except InvalidDefinition:
        return
    assert kept.value.reveal() == document["value"]


@pytest.mark.parametrize(
    ("value", "said"),
    [("\ufeffpassword", "begins with a byte order mark"), ("a\0b", "holds NUL")],
)
def test_a_value_with_an_invisible_character_is_refused(value: str, said: str) -> None:
    assert said in refusal_of(value, type="text")


def test_a_credential_that_a_script_left_out_is_told_where_it_comes_from() -> None:
    with pytest.raises(InvalidDefinition, match=r"context\.environment"):
        parse_credential({"other": "value"}, "smtp_secret", TEXT)


def test_a_credential_of_a_script_is_read_by_the_rules_of_secrets() -> None:
    read = parse_credential({"key": "hunter2"}, "key", TEXT)

    assert read.reveal() == "hunter2"
    with pytest.raises(InvalidDefinition):
        parse_credential({"key": 7}, "key", TEXT)
