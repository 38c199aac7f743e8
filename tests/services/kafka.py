"""Kafka: one real broker, its own controller, whose data outlives its process."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from tests.services import daemon, debian, loopback, program
from tests.services.cache import building
from tests.services.daemon import Daemon
from tests.services.service import Unavailable

NAME = "Kafka"

_VERSION = "4.1.0"
_PINS = Path(__file__).parent / "pins" / "kafka" / "pom.xml"
_USERNAME = "keyrelay"
# A group's first member gets its partitions at once, a topic that nobody made does not
# exist, and a killed broker is let in again after three seconds instead of nine.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=5
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
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

    debian.install("java", package="default-jre-headless")
    maven = debian.install("mvn", package="maven")
    target = _folder(cache)
    print(f"{NAME}: fetching {_VERSION} with mvn into {target}", flush=True)
    with building(target) as unfinished:
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
        program.run([maven, "-q", "-B", "-f", _PINS, *copy])
    return target


@contextmanager
def running(directory: Path, *, server: Path, certificate: Path) -> Iterator[Kafka]:
    port, controller, secured = (loopback.free_port() for _ in range(3))
    password = secrets.token_urlsafe()
    properties = directory / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            host=loopback.HOST,
            port=port,
            controller=controller,
            secured=secured,
            directory=directory,
            keystore=_keystore(directory / "keystore.pem", certificate),
            username=_USERNAME,
            password=password,
        )
    )
    _format(server, properties, password)
    with daemon.running(
        _java(server, "kafka.Kafka", properties),
        directory=directory,
        ready=lambda: loopback.accepts(port) and loopback.accepts(secured),
    ) as broker:
        yield Kafka(
            host=loopback.HOST,
            port=port,
            daemon=broker,
            secured=Secured(
                host=loopback.HOST, port=secured, username=_USERNAME, password=password
            ),
        )


def _format(server: Path, properties: Path, password: str) -> None:
    """Make the data directory, in which the users of SCRAM are kept, too."""
    account = f"[name={_USERNAME},password={password}]"
    program.run(
        [
            *_java(server, "kafka.tools.StorageTool", "format"),
            *("--cluster-id", secrets.token_urlsafe(16), "--config", properties),
            *("--add-scram", f"SCRAM-SHA-256={account}"),
            *("--add-scram", f"SCRAM-SHA-512={account}"),
        ]
    )


def _java(server: Path, main: str, argument: str | Path) -> Sequence[str | Path]:
    java = program.find("java")
    if java is None:
        raise Unavailable("there is no `java` here: run `python -m tests.services`")
    return [java, *_JAVA, _QUIET, "-cp", f"{server}/*", main, argument]


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
