"""ElasticMQ: SQS as another make speaks it, in an old version and a new one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.services import daemon, loopback, maven, program
from tests.services.cache import building

NAME = "ElasticMQ"
# The older one refuses a message group on a standard queue.
VERSIONS = ("1.6.9", "1.7.1")

_PINS = Path(__file__).parent / "pins" / "elasticmq" / "pom.xml"
_WITHIN = timedelta(seconds=90)  # two, while all else starts on two processors


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticMq:
    """Takes any keys."""

    host: str
    port: int
    region: str = "elasticmq"
    access_key: str = "test"
    secret_key: str = "test"

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"


def version() -> str:
    return " ".join(VERSIONS)


def installed(cache: Path) -> Path | None:
    there = _folder(cache).exists() and program.find("java") is not None
    return _folder(cache) if there else None


def install(cache: Path) -> Path:
    """Fetch all versions, each into a folder that is called as it is."""
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: fetching {version()} with mvn into {target}", flush=True)
    with building(target) as unfinished:
        for each in VERSIONS:
            maven.copy_jars(_PINS, unfinished / each, f"-Delasticmq={each}")
    return target


@contextmanager
def running(directory: Path, *, server: Path, of: str) -> Iterator[ElasticMq]:
    """Run the version `of` of those in the folder `server`."""
    port = loopback.free_port()
    settings = {
        "node-address.host": loopback.HOST,
        "node-address.port": port,
        "rest-sqs.bind-hostname": loopback.HOST,
        "rest-sqs.bind-port": port,
        "rest-stats.enabled": "false",
    }
    java = program.find("java") or Path("java")
    flags = [f"-D{name}={value}" for name, value in settings.items()]
    with daemon.running(
        [java, *flags, "-cp", f"{server / of}/*", "org.elasticmq.server.Main"],
        directory=directory,
        ready=lambda: loopback.accepts(port),
        within=_WITHIN,
    ):
        yield ElasticMq(host=loopback.HOST, port=port)


def _folder(cache: Path) -> Path:
    return cache / f"elasticmq-{'-'.join(VERSIONS)}"
