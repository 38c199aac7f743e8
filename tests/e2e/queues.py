"""Queues: those of LocalStack and ElasticMQ, and what has arrived in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import boto3


class SqsServer(Protocol):
    @property
    def endpoint(self) -> str: ...

    @property
    def region(self) -> str: ...

    @property
    def access_key(self) -> str: ...

    @property
    def secret_key(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    url: str
    client: Any

    def messages(self, count: int) -> list[dict[str, Any]]:
        """Take `count` messages off the queue, and see that there are no more."""
        found: list[dict[str, Any]] = []
        while len(found) < count and (more := self._receive(wait=5)):
            found += more
        return found + self._receive(wait=0)

    def hidden(self) -> int:
        """Return how many messages are delayed."""
        name = "ApproximateNumberOfMessagesDelayed"
        asked = self.client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=[name]
        )
        return int(asked["Attributes"][name])

    def _receive(self, *, wait: int) -> list[dict[str, Any]]:
        answer = self.client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        for message in found:
            self.client.delete_message(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
            )
        return found


def create_queue(server: SqsServer, name: str) -> Queue:
    client = boto3.client(
        "sqs",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    # The service lives as long as the session: other tests have queues there, too.
    created = client.create_queue(QueueName=f"e2e-{name}", Attributes=attributes)
    return Queue(url=created["QueueUrl"], client=client)


def sqs_secret(
    queue_url: str,
    key_id: str = "test",
    key: str = "test",
    region: str = "eu-central-1",
) -> Mapping[str, object]:
    return {
        "aws_region": region,
        "queue_url": queue_url,
        "access_key_id": key_id,
        "secret_access_key": key,
    }
