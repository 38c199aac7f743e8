"""Definitions: the secrets, actions and policies that these tests are about."""

from collections.abc import Mapping

from tests.e2e.cli.command import Document, Keyrelay

CANARY = "canary-5a17e8-hunter2"
NORTH = [{"key": "team", "value": "north"}]
SMTP: Mapping[str, object] = {
    "smtp_server": "mail.example.com",
    "smtp_port": 587,
    "username": "relay",
    "password": CANARY,
}
SQS: Mapping[str, object] = {
    "aws_region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
    "access_key_id": "AKIAEXAMPLE",
    "secret_access_key": CANARY,
}
ALLOW: Mapping[str, object] = {
    "name": "north uses its own",
    "targets": [["action", "tag.key", "team", "tag.value", "north"]],
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "team"],
        }
    ],
}


def secret(key: str = "mail", value: object = SMTP) -> Document:
    return {"key": key, "tags": NORTH, "value": value}


def mail_action(secret_id: str, name: str = "tell") -> Document:
    does = {
        "type": "email-smtp",
        "smtp_secret": secret_id,
        "from": "relay@example.com",
        "to": "ada@example.com",
        "subject": "$VALUE$",
        "message": "It is $VALUE$.",
    }
    return {"name": name, "tags": NORTH, "action": does}


def create_secret(keyrelay: Keyrelay, key: str = "mail", value: object = SMTP) -> str:
    file = keyrelay.write("secret.json", secret(key, value))
    return keyrelay("secret", "create", "--file", file).id


def create_action(keyrelay: Keyrelay, secret_id: str, name: str = "tell") -> str:
    file = keyrelay.write("action.json", mail_action(secret_id, name))
    return keyrelay("action", "create", "--file", file).id


def create_policy(keyrelay: Keyrelay, document: Mapping[str, object] = ALLOW) -> str:
    file = keyrelay.write("policy.json", document)
    return keyrelay("policy", "create", "--file", file).id


def bury(keyrelay: Keyrelay, trigger: str, action: str = "tell") -> None:
    """Publish a trigger that no policy permits, and see it buried."""
    keyrelay("trigger", "publish", "--action", action, "--id", trigger)
    said = keyrelay("worker", "--drain", "--json")
    assert said.document["buried"] == 1, said
