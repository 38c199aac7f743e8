"""Kafka: real brokers, whose data outlives their processes."""

import base64
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from tests.services import daemon, loopback, maven, program
from tests.services.cache import building
from tests.services.daemon import Daemon
from tests.services.service import Unavailable

NAME = "Kafka"

_VERSION = "4.1.0"
_PINS = Path(__file__).parent / "pins" / "kafka" / "pom.xml"
_USERNAME = "keyrelay"
_WITHIN = timedelta(seconds=90)  # two, while all else starts on two processors
# A group's first member gets its partitions at once and so does who commits get an
# answer, a topic that nobody made does not exist, and a killed broker is let in again
# after three seconds instead of nine.
_PROPERTIES = """\
process.roles={roles}
node.id={number}
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.coordinator.append.linger.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=5
offsets.topic.replication.factor={brokers}
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr=1
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
listener.name.secured.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secured.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{username}="{password}";
listener.name.secured.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
_JAVA = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """The same broker over TLS, for who logs in by PLAIN or SCRAM."""

    host: str
    port: int
    username: str
    password: str

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """Speaks plainly to anybody on its port; topics are made by who needs them."""

    host: str
    port: int
    secured: Secured
    daemon: Daemon

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    def stop(self) -> None:
        """Let the broker end in good order; its data stays."""
        self.daemon.stop()

    def kill(self) -> None:
        """End the broker in the middle of whatever it does; its data stays."""
        self.daemon.kill()

    def start(self) -> None:
        """Return once the broker answers again, on the same port with the same data."""
        self.daemon.start()


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    there = _folder(cache).exists() and program.find("java") is not None
    return _folder(cache) if there else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: fetching {_VERSION} with mvn into {target}", flush=True)
    with building(target) as unfinished:
        maven.copy_jars(_PINS, unfinished)
    return target


@contextmanager
def running(directory: Path, *, server: Path, certificate: Path) -> Iterator[Kafka]:
    cluster = running_cluster(
        directory, server=server, certificate=certificate, brokers=1
    )
    with cluster as (broker,):
        yield broker


@contextmanager
def running_cluster(
    directory: Path, *, server: Path, certificate: Path, brokers: int
) -> Iterator[tuple[Kafka, ...]]:
    """Run several that keep copies of one another; the first is the controller, too."""
    cluster = _Cluster(
        server=server,
        keystore=_keystore(directory / "keystore.pem", certificate),
        controller=loopback.free_port(),
        brokers=brokers,
    )
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(cluster.broker(number, directory / f"broker-{number}"))
            for number in range(1, brokers + 1)
        )


def _new_id() -> str:
    """Return 16 bytes in base64, of which the first is none that looks like a flag."""
    return base64.urlsafe_b64encode(b"k" + secrets.token_bytes(15)).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    """What its brokers have in common."""

    server: Path
    keystore: Path
    controller: int
    brokers: int
    id: str = field(default_factory=_new_id)
    password: str = field(default_factory=secrets.token_urlsafe)

    @contextmanager
    def broker(self, number: int, directory: Path) -> Iterator[Kafka]:
        port, secured = loopback.free_port(), loopback.free_port()
        directory.mkdir()
        properties = directory / "server.properties"
        properties.write_text(self._properties(number, directory, port, secured))
        program.run(_java(self.server, *self._format(number, properties)))
        with daemon.running(
            _java(self.server, "kafka.Kafka", properties),
            directory=directory,
            ready=lambda: loopback.accepts(port) and loopback.accepts(secured),
            within=_WITHIN,
        ) as process:
            yield Kafka(
                host=loopback.HOST,
                port=port,
                daemon=process,
                secured=Secured(
                    host=loopback.HOST,
                    port=secured,
                    username=_USERNAME,
                    password=self.password,
                ),
            )

    def _properties(self, number: int, directory: Path, port: int, secured: int) -> str:
        host = loopback.HOST
        open_to_clients = f"PLAINTEXT://{host}:{port},SECURED://{host}:{secured}"
        also = f",CONTROLLER://{host}:{self.controller}" if number == 1 else ""
        return _PROPERTIES.format(
            host=host,
            number=number,
            roles="broker,controller" if number == 1 else "broker",
            controller=self.controller,
            advertised=open_to_clients,
            listeners=open_to_clients + also,
            brokers=self.brokers,
            directory=directory,
            keystore=self.keystore,
            username=_USERNAME,
            password=self.password,
        )

    def _format(self, number: int, properties: Path) -> Sequence[str | Path]:
        """Make the data directory; the controller's has the users of SCRAM, too."""
        account = f"[name={_USERNAME},password={self.password}]"
        users = [f"--add-scram=SCRAM-SHA-{bits}={account}" for bits in (256, 512)]
        return (
            *("kafka.tools.StorageTool", "format", "--cluster-id", self.id),
            *("--config", properties, *(users if number == 1 else ())),
        )


def _java(server: Path, *words: str | Path) -> Sequence[str | Path]:
    java = program.find("java")
    if java is None:
        raise Unavailable("there is no `java` here: run `python -m tests.services`")
    return [java, *_JAVA, _QUIET, "-cp", f"{server}/*", *words]


def _keystore(path: Path, certificate: Path) -> Path:
    """Write the certificate again, its key in the one form that Kafka reads."""
    pem = certificate.read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]
    )
    return path


def _folder(cache: Path) -> Path:
    return cache / f"kafka-{_VERSION}"
