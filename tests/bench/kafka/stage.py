"""Stage: a broker, a database, sinks, and a home whose actions reach them."""

import itertools
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.certificate import certify
from tests.bench.kafka.topic import PARTITIONS, Topic
from tests.faults.relay import ALLOW
from tests.installed.home import Home
from tests.services import cache, daemon, kafka, loopback, postgresql
from tests.services.kafka import Kafka
from tests.services.postgresql import PostgreSql
from tests.services.service import Service
from tests.sinks import smtp, sqs
from tests.sinks.smtp import Address, SmtpSink
from tests.sinks.sqs import SqsSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinks:
    """`beside` is a second mail server; `refuses` has nobody behind its port, and
    whoever connects to `mute` is never told anything."""

    mails: SmtpSink
    beside: SmtpSink
    refuses: Address
    mute: Address
    messages: SqsSink
    ca_file: Path

    @property
    def servers(self) -> Mapping[str, Address]:
        """Return the mail servers by the names of the actions that use them."""
        return {
            "mail": self.mails.address,
            "beside": self.beside.address,
            "refuses": self.refuses,
            "mute": self.mute,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`actions` are ids by name: those of the sinks' servers, and `queue`."""

    broker: str
    database: PostgreSql
    home: Home
    actions: Mapping[str, str]
    sinks: Sinks
    logs: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def topic(self) -> Topic:
        """Make a topic, and all that belongs to it."""
        topic = Topic(broker=self.broker, name=f"bench{next(self._numbers)}")
        copies = ["--partitions", str(PARTITIONS), "--replication", "1"]
        self.reading(topic).run("topics", "create", *copies, "--yes")
        return topic

    def reading(self, topic: Topic) -> Home:
        """Return the home as it is for those who work on the topic."""
        where = f"kafka://{self.broker}?topic={topic.name}&group={topic.ours}"
        return self.home.under({"KEYRELAY_QUEUE": f"{where}&profile=default"})

    def apart(self, name: str) -> "Stage":
        """Return one on the same servers, of which nothing is set up yet."""
        database = {"KEYRELAY_DATABASE": self.database.url(self.database.create())}
        settings = {**self.home.settings, **database}
        home = Home(path=self.logs / name, settings=settings)
        return replace(self, home=home, actions={})


@contextmanager
def standing(*, lanes: int) -> Iterator[Stage]:
    """Set everything up, and clear it away."""
    with ExitStack() as stack:
        folder = stack.enter_context(daemon.folder())
        broker, database = _services(folder, stack)
        sinks = _sinks(folder, stack)
        home = Home(
            path=folder / "home",
            settings={
                "KEYRELAY_DATABASE": database.url(database.create()),
                "KEYRELAY_LANES": str(lanes),
                "KEYRELAY_LOG_FORMAT": "json",
                "KEYRELAY_SMTP_PORTS": ",".join(
                    str(each.port) for each in sinks.servers.values()
                ),
                "KEYRELAY_SMTP_CA_FILE": str(sinks.ca_file),
                "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
                "KEYRELAY_SQS_ENDPOINTS": sinks.messages.endpoint,
            },
        )
        actions = _furnish(home, sinks)
        yield Stage(
            broker=broker.bootstrap,
            database=database,
            home=home,
            actions=actions,
            sinks=sinks,
            logs=folder,
        )


def _services(folder: Path, stack: ExitStack) -> tuple[Kafka, PostgreSql]:
    """Start the broker and the database; fetch what is missing."""
    log, store = folder / "kafka", folder / "postgresql"
    for each in (log, store):
        each.mkdir()
    _, server = certify(log)
    broker = stack.enter_context(
        kafka.running(log, server=installed(kafka), certificate=server)
    )
    database = stack.enter_context(
        postgresql.running(store, server=installed(postgresql))
    )
    return broker, database


def installed(service: Service) -> Path:
    location = cache.location()
    with cache.locked(location):
        return service.install(location)


def _sinks(folder: Path, stack: ExitStack) -> Sinks:
    ca_file, server = certify(folder)
    mails, beside = (
        stack.enter_context(smtp.running(folder / name, certificate=server))
        for name in ("mails", "beside")
    )
    # Nobody accepts what connects here, so that it is connected, and that is all.
    silence = socket.create_server((loopback.HOST, 0), backlog=1024)
    stack.enter_context(silence)
    account = mails.address.account
    return Sinks(
        mails=mails,
        beside=beside,
        refuses=smtp.new_address(),
        mute=Address(port=silence.getsockname()[1], account=account),
        messages=stack.enter_context(sqs.running(folder / "messages")),
        ca_file=ca_file,
    )


def _furnish(home: Home, sinks: Sinks) -> Mapping[str, str]:
    """Make the installation; return its actions' ids by name."""
    home.run("init", "--no-token")
    home.create("policy", ALLOW)
    actions = {
        name: home.create("action", {"name": name, "action": _mailing(home, name, to)})
        for name, to in sinks.servers.items()
    }
    does = {"type": "queue-sqs", "sqs_secret": _queue(home, sinks.messages)}
    return {
        **actions,
        "queue": home.create("action", {"name": "queue", "action": does}),
    }


def _mailing(home: Home, name: str, server: Address) -> Mapping[str, object]:
    value = {
        "smtp_server": server.host,
        "smtp_port": server.port,
        "username": server.account.username,
        "password": server.account.password,
    }
    return {
        "type": "email-smtp",
        "from": "relay@example.test",
        "to": "ada@example.test",
        "subject": "temperature is $VALUE$",
        "message": "The temperature at $VARIABLE$ is $VALUE$ $UNIT$, and rising.",
        "smtp_secret": home.create_secret(name, "smtp", value),
    }


def _queue(home: Home, sink: SqsSink) -> str:
    value = {
        "aws_region": sink.region,
        "queue_url": sink.queue_url("ours"),
        "access_key_id": sink.access_key,
        "secret_access_key": sink.secret_key,
    }
    return home.create_secret("queue", "aws-sqs", value)
