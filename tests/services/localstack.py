"""LocalStack: SQS as Amazon speaks it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path

from tests.services import daemon, loopback, program
from tests.services.cache import building

NAME = "LocalStack"

_VERSION = "4.7.0"
_PINS = Path(__file__).parent / "pins" / "localstack.txt"
_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """Takes any keys; the access key chooses the account."""

    host: str
    port: int
    region: str = "eu-central-1"
    access_key: str = "test"
    secret_key: str = "test"

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"


def version() -> str:
    return _VERSION


def installed(cache: Path) -> Path | None:
    python = _folder(cache) / "bin" / "python"
    return python if python.exists() else None


def install(cache: Path) -> Path:
    found = installed(cache)
    if found is not None:
        return found

    target = _folder(cache)
    print(f"{NAME}: installing {_VERSION} with pip into {target}", flush=True)
    with building(target) as unfinished:
        program.run([sys.executable, "-m", "venv", unfinished])
        install = ["-m", "pip", "install", "--quiet", "--requirement", str(_PINS)]
        program.run([unfinished / "bin" / "python", *install])
    return target / "bin" / "python"


@contextmanager
def running(directory: Path, *, server: Path) -> Iterator[LocalStack]:
    port = loopback.free_port()
    address = f"{loopback.HOST}:{port}"
    with daemon.running(
        [server, "-m", "localstack.runtime.main"],
        directory=directory,
        ready=lambda: _is_ready(port),
        within=_WITHIN,
        extra={
            "SERVICES": "sqs,sts",
            "EAGER_SERVICE_LOADING": "1",
            "GATEWAY_LISTEN": address,
            # So that a queue's URL leads here without asking a name server.
            "LOCALSTACK_HOST": address,
            "SQS_ENDPOINT_STRATEGY": "path",
            "DNS_ADDRESS": "0",
            "FILESYSTEM_ROOT": str(directory),
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
        },
    ):
        yield LocalStack(host=loopback.HOST, port=port)


def _is_ready(port: int) -> bool:
    try:
        health = json.loads(loopback.ask("GET", port, "/_localstack/health"))
    except (OSError, HTTPException):
        return False
    return health["services"].get("sqs") in {"running", "available"}


def _folder(cache: Path) -> Path:
    return cache / f"localstack-{_VERSION}"
