"""The JSON Schemas of action and secret types agree with their parsers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from jsonschema import Draft202012Validator

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.fields import Field, Fields, schema_of
from keyrelay.model.secret import SecretType, SecretValue
from tests.samples import (
    ACTION_TYPES,
    ACTIONS,
    ANALYSIS,
    MAIL_ACTION,
    MAIL_DOES,
    PROFILE,
    QUEUE_DOES,
    Operator,
    secret_rules,
)

Document = Mapping[str, object]
SECRET_TYPES = [*secret_rules(Operator()).types.values()]
WRONG: Mapping[object, object] = {
    "string": 1,
    "integer": "1",
    "boolean": "yes",
    "object": [],
    "array": "x",
}

VALID: Mapping[str, Document] = {
    "email-smtp": {
        **MAIL_DOES,
        "html": "<p>$VALUE$</p>",
        "cc": "cc@example.com",
        "bcc": "bcc@example.com",
        "reply_to": "help@example.com",
    },
    "queue-sqs": {
        **QUEUE_DOES,
        "batch_enabled": True,
        "message": "$VALUE$",
        "group_id": "$DEVICE$",
        "deduplication_id": "$TIME$",
        "delay_seconds": 900,
        "attributes": {"unit": "$UNIT$"},
    },
    "smtp": {
        "smtp_server": "mail.example.com",
        "smtp_port": 587,
        "username": "relay@example.com",
        "password": "hunter2",
    },
    "aws-sqs": {
        "aws_region": "eu-central-1",
        "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "wJalrXUtnFEMI",
        "session_token": "FwoGZXIvYXdzE",
    },
    "script": {"type": "script", "script": [ANALYSIS]},
}


@dataclass(frozen=True)
class Subject:
    """A type's fields, a valid document with all of them, and its parser."""

    fields: Fields
    document: Document
    parse: Callable[[Document], object]

    def valid(self, document: Document) -> bool:
        return bool(Draft202012Validator(schema_of(self.fields)).is_valid(document))

    def parsed(self, document: Document) -> bool:
        try:
            self.parse(document)
        except InvalidDefinition:
            return False
        return True


def parse_action(document: Document) -> object:
    return ACTIONS.parse({"name": "Tell", "action": document}, MAIL_ACTION, PROFILE)


def of_secret(type_: SecretType) -> Subject:
    def parse(document: Document) -> object:
        return type_.check(SecretValue(json.dumps(document)))

    return Subject(type_.fields, VALID[type_.name], parse)


def of_action(name: str, fields: Fields) -> Subject:
    type_ = Field(name="type", description="The type.", schema={"const": name})
    return Subject((type_, *fields), VALID[name], parse_action)


# A text secret has no fields: its value is the text.
SUBJECTS = {type_.name: of_action(type_.name, type_.fields) for type_ in ACTION_TYPES}
SUBJECTS |= {type_.name: of_secret(type_) for type_ in SECRET_TYPES if type_.fields}
MEMBERS = [(name, field) for name, each in SUBJECTS.items() for field in each.fields]


def member(value: str | Field) -> str:
    return value.name if isinstance(value, Field) else value


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_a_document_with_every_member_is_valid_and_is_parsed(subject: Subject) -> None:
    assert subject.document.keys() == {field.name for field in subject.fields}
    assert subject.valid(subject.document)
    assert subject.parsed(subject.document)


@pytest.mark.parametrize(("name", "field"), MEMBERS, ids=member)
def test_schema_and_parser_agree_on_each_member_left_out(
    name: str, field: Field
) -> None:
    subject = SUBJECTS[name]
    without = {
        name: value for name, value in subject.document.items() if name != field.name
    }

    assert subject.valid(without) is not field.required
    assert subject.parsed(without) is not field.required


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_an_unknown_member_is_neither_valid_nor_parsed(subject: Subject) -> None:
    document = {**subject.document, "unknown": "x"}

    assert not subject.valid(document)
    assert not subject.parsed(document)


@pytest.mark.parametrize(("name", "field"), MEMBERS, ids=member)
def test_a_member_of_another_type_is_neither_valid_nor_parsed(
    name: str, field: Field
) -> None:
    subject = SUBJECTS[name]
    wrong = WRONG[field.schema.get("type", "string")]
    document = {**subject.document, field.name: wrong}

    assert not subject.valid(document)
    assert not subject.parsed(document)
