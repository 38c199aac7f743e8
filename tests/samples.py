"""Samples: one good thing of each kind, for tests to vary."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keyrelay.model.action import Action
from keyrelay.model.action_document import parse_action
from keyrelay.model.catalog import Catalog
from keyrelay.model.data_point import DataPoint
from keyrelay.model.policy.policy import Policy, index, parse_policy
from keyrelay.model.secret import SealedSecret, Secret, SecretType
from keyrelay.model.trigger import Lifetime, Origin, Trigger

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
PROFILE = "a" * 24
OTHER_PROFILE = "b" * 24
MAIL_SECRET = "5" * 24
QUEUE_SECRET = "6" * 24
MAIL_ACTION = "c" * 24
QUEUE_ACTION = "d" * 24
POLICY = "e" * 24
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


def an_action(does: Mapping[str, object] = MAIL_DOES, **fields: object) -> Action:
    id_ = MAIL_ACTION if does.get("type") == "email-smtp" else QUEUE_ACTION
    return parse_action({"name": "Tell", "action": does, **fields}, id_, PROFILE)


def a_secret(id_: str = MAIL_SECRET, version: int = 1) -> Secret:
    return Secret(
        id=id_,
        profile=PROFILE,
        key=f"key-{id_[0]}",
        type=SecretType.SMTP if id_ == MAIL_SECRET else SecretType.AWS_SQS,
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
    secrets = map(a_secret, (MAIL_SECRET, QUEUE_SECRET))
    return Catalog(
        revision=1,
        actions={(a.tagged.profile, a.tagged.id): a for a in known},
        secrets={(s.profile, s.id): sealed(s) for s in secrets},
        policies={PROFILE: index([policy or a_policy()])},
    )


def without_policies(catalog: Catalog) -> Catalog:
    return replace(catalog, policies={})
