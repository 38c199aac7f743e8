"""Samples: one good thing of each kind, for tests to vary."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyrelay.dispatchers.script.channel import script_channel
from keyrelay.dispatchers.smtp.channel import smtp_channel
from keyrelay.dispatchers.sqs.channel import sqs_channel
from keyrelay.model.action import Action
from keyrelay.model.action_document import ActionRules
from keyrelay.model.catalog import Catalog, ordered_by_key
from keyrelay.model.credentials import TEXT, SecretRules
from keyrelay.model.data_point import DataPoint
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.policy.policy import Policy, index
from keyrelay.model.policy.policy_document import parse_policy
from keyrelay.model.revision import Revision
from keyrelay.model.secret import SealedSecret, Secret
from keyrelay.model.trigger import Origin, Trigger
from keyrelay.services.scheduling.due_times import check_times

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
PROFILE = "a" * 24
REVISION = Revision("1" * 24, 1)
OTHER_PROFILE = "b" * 24
MAIL_SECRET = "5" * 24
QUEUE_SECRET = "6" * 24
MAIL_ACTION = "c" * 24
QUEUE_ACTION = "d" * 24
POLICY = "e" * 24
ANALYSIS = "f" * 24
ORIGIN = Origin(profile=PROFILE, now=lambda: NOON, new_id=lambda _: "0" * 24)

MAIL_DOES: Mapping[str, object] = {
    "type": "email-smtp",
    "from": "Keyrelay <relay@example.com>",
    "to": "ada@example.com; bob@example.com",
    "subject": "$VARIABLE$ is $VALUE$",
    "message": "It is $VALUE$ $UNIT$.",
    "smtp_secret": MAIL_SECRET,
}
QUEUE_DOES: Mapping[str, object] = {"type": "queue-sqs", "sqs_secret": QUEUE_SECRET}
ALLOW: Mapping[str, object] = {
    "name": "actions may use secrets",
    "targets": [["action"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}


@dataclass(frozen=True, kw_only=True)
class Operator:
    """What an operator may choose about the channels."""

    smtp_ports: Collection[int] = (587,)
    smtp_ca_file: Path | None = None
    smtp_name: str | None = None
    sqs_endpoints: Collection[str] = ()
    egress_allow: Collection[str] = ()


_CHANNELS = (smtp_channel, sqs_channel, script_channel)
ACTION_TYPES = [make(Operator()).action for make in _CHANNELS]
ACTIONS = ActionRules({type_.name: type_ for type_ in ACTION_TYPES}, check_times)


def secret_rules(operator: Operator) -> SecretRules:
    needed = (smtp_channel(operator).action.secret, sqs_channel(operator).action.secret)
    types = {each.name: each for each in (TEXT, *needed) if each is not None}
    return SecretRules(types=types, tags_required=True)


def a_trigger(
    *points: DataPoint, action: str = MAIL_ACTION, id_: str = "t1"
) -> Trigger:
    return Trigger(
        id=id_,
        profile=PROFILE,
        action=action,
        data=points,
        key=None,
        lifetime=Lifetime(raised_at=NOON, deadline=NOON + DAY),
    )


def published_by(token: str, trigger: Trigger) -> Trigger:
    """Return the trigger as the API accepts it from the token with that id."""
    return replace(trigger, lifetime=replace(trigger.lifetime, publisher=token))


def an_action(does: Mapping[str, object] = MAIL_DOES, **fields: object) -> Action:
    id_ = MAIL_ACTION if does.get("type") == "email-smtp" else QUEUE_ACTION
    return ACTIONS.parse({"name": "Tell", "action": does, **fields}, id_, PROFILE)


def a_secret(id_: str = MAIL_SECRET, version: int = 1) -> Secret:
    return Secret(
        id=id_,
        profile=PROFILE,
        key=f"key-{id_[0]}",
        type="smtp" if id_ == MAIL_SECRET else "aws-sqs",
        version=version,
        tags=(),
    )


def sealed(secret: Secret) -> SealedSecret:
    return SealedSecret(
        secret=secret,
        envelope=b"sealed",
        value_length=6,
        fifo=False,
        created_at=NOON,
        updated_at=NOON,
    )


def a_policy(document: Mapping[str, object] = ALLOW, profile: str = PROFILE) -> Policy:
    return parse_policy(document, POLICY, profile)


def a_catalog(*actions: Action, policy: Policy | None = None) -> Catalog:
    """Return both sample secrets, the sample actions and those given, one policy."""
    known = (an_action(), an_action(QUEUE_DOES), *actions)
    secrets = [sealed(a_secret(id_)) for id_ in (MAIL_SECRET, QUEUE_SECRET)]
    return Catalog(
        revision=REVISION,
        actions={(a.tagged.profile, a.tagged.id): a for a in known},
        secrets={(PROFILE, each.secret.id): each for each in secrets},
        by_key={PROFILE: ordered_by_key(secrets)},
        policies={PROFILE: index([policy or a_policy()])},
    )


def without_policies(catalog: Catalog) -> Catalog:
    return replace(catalog, policies={})
