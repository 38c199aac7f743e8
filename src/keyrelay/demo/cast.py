"""Cast: the secrets, actions, policies and triggers that the demo is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from keyrelay.demo.catcher import Account
from keyrelay.demo.local_sqs import REGION, KeyPair, LocalQueue

Document = Mapping[str, object]


class Role(StrEnum):
    """What an action is in the demo; its value names its file."""

    ALARM = "cold-room-alarm"
    PALLET = "report-pallets"
    NEWSLETTER = "newsletter"
    NIGHT_SHIFT = "call-night-shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPart:
    """A secret that is about to be created."""

    key: str
    tag: str
    value: Document = field(repr=False)


DEPARTED = "robin@rotterdam.example"
MAIL_KEY, QUEUE_KEY = "mail-server", "pallets"
NEWSLETTER = "Newsletter"
NUMBERS = range(1, 101)
WHAT = {
    Role.ALARM: "alarms by mail",
    Role.PALLET: "pallets for the queue",
    Role.NEWSLETTER: "newsletters",
    Role.NIGHT_SHIFT: "to somebody who has left",
}

_COLD_CHAIN = [{"key": "team", "value": "cold-chain"}]
_MARKETING = [{"key": "team", "value": "marketing"}]
_ROTTERDAM = [{"key": "site", "value": "rotterdam"}]
_COLD_SECRETS = ["secrets", "tag.key", "team", "tag.value", "cold-chain"]

MAIL_POLICY = "The cold chain sends mail"
POLICIES: Mapping[str, Document] = {
    "mail-policy": {
        "name": MAIL_POLICY,
        "targets": [["action", "tag.key", "team", "tag.value", "cold-chain"]],
        "permissions": [
            {
                "effect": "allow",
                "action": ["access"],
                "resource": _COLD_SECRETS,
            }
        ],
    },
    "queue-policy": {
        "name": "Each site uses its own queue",
        "targets": [["action", "tag_match", "site"]],
        "permissions": [
            {
                "effect": "allow",
                "action": ["access"],
                "resource": ["secrets", "tag_match", "site"],
            }
        ],
    },
}


def actions(mail: str, queue: str) -> Mapping[Role, Document]:
    """Return the four of them, with the ids of the secrets they need."""
    return {
        Role.ALARM: _mailing(
            "Cold-room alarm",
            mail,
            to="ada@rotterdam.example",
            subject="$DEVICE.NAME$: $VALUE$ $UNIT$",
        ),
        Role.PALLET: {
            "name": "Report pallets",
            "tags": _ROTTERDAM,
            "action": {"type": "queue-sqs", "batch_enabled": True, "sqs_secret": queue},
        },
        Role.NEWSLETTER: {
            **_mailing(
                NEWSLETTER,
                mail,
                to="everybody@rotterdam.example",
                subject="Cool offers at $VALUE$ $UNIT$",
            ),
            "tags": _MARKETING,
        },
        Role.NIGHT_SHIFT: _mailing(
            "Call the night shift",
            mail,
            to=DEPARTED,
            subject="Please look after $DEVICE.NAME$",
        ),
    }


def _mailing(name: str, secret: str, *, to: str, subject: str) -> Document:
    return {
        "name": name,
        "tags": _COLD_CHAIN,
        "action": {
            "type": "email-smtp",
            "smtp_secret": secret,
            "from": "Cold chain <alarms@rotterdam.example>",
            "to": to,
            "subject": subject,
            "message": "The $VARIABLE$ in $DEVICE.NAME$ was $VALUE$ $UNIT$ at $TIME$.",
        },
    }


def mail_secret(port: int, account: Account) -> SecretPart:
    return SecretPart(
        key=MAIL_KEY,
        tag="team=cold-chain",
        value={
            "smtp_server": "localhost",
            "smtp_port": port,
            "username": account.username,
            "password": account.password,
        },
    )


def queue_secret(queue: LocalQueue, keys: KeyPair) -> SecretPart:
    return SecretPart(
        key=QUEUE_KEY,
        tag="site=rotterdam",
        value={
            "aws_region": REGION,
            "queue_url": queue.url,
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
        },
    )


def role(number: int) -> Role:
    """Return what the trigger of that number is for: a mixture, always the same."""
    if number % 20 == 0:
        return Role.NEWSLETTER
    if number % 30 == 7:
        return Role.NIGHT_SHIFT
    return Role.ALARM if number % 2 else Role.PALLET


def trigger(number: int, actions: Mapping[Role, str], start: datetime) -> Document:
    """Return one line's worth; `actions` are the ids."""
    its = role(number)
    time = start + timedelta(seconds=number)
    point = _pallet(number) if its is Role.PALLET else _reading(number, time)
    return {"id": trigger_id(number), "action": actions[its], "data": [point]}


def trigger_id(number: int) -> str:
    return f"demo-{number:03}"


def pallets() -> Mapping[str, str]:
    """Return which trigger each pallet is the subject of."""
    return {_pallet_name(number): trigger_id(number) for number in NUMBERS}


def _pallet_name(number: int) -> str:
    return f"P-{number:04}"


def _pallet(number: int) -> Document:
    return {"variable": "pallet", "value": _pallet_name(number), "device": "gate-2"}


def _reading(number: int, time: datetime) -> Document:
    return {
        "variable": "temperature",
        "value": 6 + number % 37 / 10,
        "unit": "°C",
        "device_name": f"Cold room {1 + number % 3}",
        "time": time.isoformat(timespec="seconds"),
    }


def expected(its: Role) -> int:
    return sum(role(number) is its for number in NUMBERS)
