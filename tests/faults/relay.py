"""Relay: a home in which one action may use one secret to reach one sink."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.installed.home import Home
from tests.sinks.smtp import Address
from tests.sinks.sqs import SqsSink

ALLOW: Mapping[str, object] = {
    "name": "actions may use secrets",
    "targets": [["action"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}

NO_SETTINGS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    home: Home
    action: str

    def write(self, ids: Sequence[str]) -> Path:
        """Return a file with a trigger a line, each of which names itself."""
        file = self.home.path.parent / "triggers.jsonl"
        lines = [json.dumps(self.trigger(id_)) for id_ in ids]
        file.write_text("\n".join(lines) + "\n")
        return file

    def copied(self, path: Path, settings: Mapping[str, str]) -> "Relay":
        """Return one like it elsewhere, with some settings more."""
        shutil.copytree(self.home.path, path)
        home = Home(path=path, settings={**self.home.settings, **settings})
        return Relay(home=home, action=self.action)

    def publish(self, ids: Sequence[str]) -> None:
        self.home.run("trigger", "publish", "--file", self.write(ids))

    def trigger(self, id_: str) -> Mapping[str, object]:
        point = {"variable": id_, "value": 21.5, "unit": "°C", "device": "d1"}
        return {"id": id_, "action": self.action, "data": [point]}


def to_mail(
    path: Path,
    address: Address,
    ca_file: Path,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Relay:
    home = Home(
        path=path,
        settings={
            "KEYRELAY_SMTP_PORTS": str(address.port),
            "KEYRELAY_SMTP_CA_FILE": str(ca_file),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
            **settings,
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    home.run("init", "--no-token")
    secret = home.create_secret(
        "mail",
        "smtp",
        {
            "smtp_server": address.host,
            "smtp_port": address.port,
            "username": address.account.username,
            "password": address.account.password,
        },
    )
    does = {
        "type": "email-smtp",
        "from": "relay@example.test",
        "to": "ada@example.test",
        "subject": "temperature is $VALUE$",
        "message": "The temperature at $VARIABLE$ is $VALUE$ $UNIT$, and rising.",
        "smtp_secret": secret,
    }
    return _permitted(home, does)


def to_queue(
    path: Path, sink: SqsSink, settings: Mapping[str, str] = NO_SETTINGS
) -> Relay:
    home = Home(
        path=path, settings={"KEYRELAY_SQS_ENDPOINTS": sink.endpoint, **settings}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    home.run("init", "--no-token")
    secret = home.create_secret("queue", "aws-sqs", queue_secret(sink))
    return _permitted(home, {"type": "queue-sqs", "sqs_secret": secret})


def queue_secret(sink: SqsSink) -> Mapping[str, object]:
    """Return the value of the secret called `queue`."""
    return {
        "aws_region": sink.region,
        "queue_url": sink.queue_url("bench"),
        "access_key_id": sink.access_key,
        "secret_access_key": sink.secret_key,
    }


def replace_queue_secret(home: Home, value: Mapping[str, object]) -> None:
    given = json.dumps(value)
    home.run("secret", "edit", "queue", "--value-file", "-", given=given)


def trigger_of(message_id: str) -> str:
    """Return the id of the trigger that a mail was made of."""
    return message_id.removeprefix("<").partition(".")[0]


def _permitted(home: Home, does: Mapping[str, object]) -> Relay:
    retry = {"attempts": 100, "first_seconds": 1, "longest_seconds": 1}
    action = home.create("action", {"name": "tell", "action": does, "retry": retry})
    home.create("policy", ALLOW)
    return Relay(home=home, action=action)
