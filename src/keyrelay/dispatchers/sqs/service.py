"""Service: queue messages that a script asks to be sent, with their credential."""

from collections.abc import Mapping
from functools import partial

from keyrelay.dispatchers.sqs.instruction import QueueSqs, Routing
from keyrelay.model.credentials import parse_credential
from keyrelay.model.data_point import DataPoint, parse_points
from keyrelay.model.documents import (
    InvalidDefinition,
    refuse_unknown,
    require_bool,
    require_text,
)
from keyrelay.model.fields import Field, all_names
from keyrelay.model.secret import SecretType
from keyrelay.model.service_call import ServiceCall, ServiceType
from keyrelay.model.templates import Template

CREDENTIAL = "sqs_secret"
FIELDS = (
    Field(
        name=CREDENTIAL,
        description="The value of a secret of type aws-sqs.",
        schema={"type": ["string", "object"]},
    ),
    Field(
        name="dataList",
        description="The data points.",
        schema={
            "type": ["object", "array"],
            "items": {"type": "object"},
            "minItems": 1,
        },
    ),
    Field(
        name="batch_enabled",
        description="One message for all data points, not one for each.",
        schema={"type": ["boolean", "null"]},
        required=False,
    ),
    Field(
        name="group_id",
        description="The message group, which a FIFO queue needs.",
        schema={"type": ["string", "null"]},
        required=False,
    ),
)


def queue_service(secret: SecretType) -> ServiceType:
    return ServiceType(credential=CREDENTIAL, parse=partial(parse_messages, secret))


def parse_messages(secret: SecretType, document: Mapping[str, object]) -> ServiceCall:
    """Read what `Services.aws_sqs.sendMessage` of TagoIO's client sends.

    Beside it, `group_id` is that of all messages, which a FIFO queue needs. Raises
    InvalidDefinition.
    """
    given = {name: value for name, value in document.items() if value is not None}
    refuse_unknown(given, all_names(FIELDS), "the queue message of a script")
    credential = parse_credential(given, CREDENTIAL, secret)
    group = given.get("group_id")
    if group is None and secret.check(credential):
        raise InvalidDefinition("a FIFO queue needs a group_id beside the data")
    return ServiceCall(
        credential=credential,
        instruction=QueueSqs(
            secret="",
            batched=require_bool(given.get("batch_enabled", False), "batch_enabled"),
            routing=Routing(group_id=None if group is None else _group(group)),
        ),
        data=_points(given.get("dataList")),
    )


def _group(value: object) -> Template:
    return Template.fixed(require_text(value, "group_id", longest=128))


def _points(value: object) -> tuple[DataPoint, ...]:
    # TagoIO's client sends [null] where it is given no data.
    if value is None or value == [] or (isinstance(value, list) and None in value):
        raise InvalidDefinition(
            "there is nothing to send: give `data`, a data point or a list of them"
        )
    return parse_points(value)
