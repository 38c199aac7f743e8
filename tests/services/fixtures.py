"""Fixtures: the services as tests ask for them, one of each a test process."""

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import trustme

from tests.services import (
    asyncapi,
    axe,
    bubblewrap,
    chromium,
    compose,
    daemon,
    dovecot,
    elasticmq,
    helm,
    kafka,
    kcat,
    localstack,
    mailhog,
    mailpit,
    pgbouncer,
    postfix,
    postgresql,
    smtp_server,
    stunnel,
    tagoio_sdk,
    tagoio_wheels,
)
from tests.services.compose import Compose
from tests.services.elasticmq import ElasticMq
from tests.services.kafka import Kafka, Secured
from tests.services.localstack import LocalStack
from tests.services.mailbox import Account
from tests.services.mailhog import MailHog
from tests.services.mailpit import Mailpit
from tests.services.postfix import Postfix
from tests.services.postgresql import PostgreSql
from tests.services.service import Service, Unavailable, find
from tests.services.smtp_server import SmtpServer

Running = TypeVar("Running")
Started = TypeVar("Started", covariant=True)


class Run(Protocol[Started]):
    def __call__(
        self, directory: Path, *, server: Path
    ) -> AbstractContextManager[Started]: ...


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_certificate(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Key and chain in one file, for servers called localhost or 127.0.0.1."""
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.touch(mode=0o600)
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session", name="mailhog")
def running_mailhog(server_certificate: Path) -> Iterator[MailHog]:
    """MailHog behind stunnel: `smtp_port` is the one that speaks STARTTLS."""
    with ExitStack() as stack:
        yield _start(_mailhog_with_starttls(server_certificate), stack)


@pytest.fixture(scope="session", name="postfix")
def running_postfix(server_certificate: Path) -> Iterator[Postfix]:
    with ExitStack() as stack:
        yield _start(_postfix_with_logins(server_certificate), stack)


@pytest.fixture(scope="session", name="mailpit")
def running_mailpit(server_certificate: Path) -> Iterator[Mailpit]:
    run = partial(mailpit.running, certificate=server_certificate, account=_account())
    with _running(mailpit, run) as server:
        yield server


@pytest.fixture(scope="session", name="smtp_server")
def running_smtp_server(server_certificate: Path) -> Iterator[SmtpServer]:
    run = partial(
        smtp_server.running, certificate=server_certificate, account=_account()
    )
    with _running(smtp_server, run) as server:
        yield server


@pytest.fixture(scope="session", name="localstack")
def running_localstack() -> Iterator[LocalStack]:
    with _running(localstack, localstack.running) as server:
        yield server


@pytest.fixture(scope="session", name="elasticmq", params=elasticmq.VERSIONS)
def running_elasticmq(request: pytest.FixtureRequest) -> Iterator[ElasticMq]:
    run = partial(elasticmq.running, of=request.param)
    with _running(elasticmq, run) as server:
        yield server


@pytest.fixture(scope="session", name="kafka")
def running_kafka(server_certificate: Path) -> Iterator[Kafka]:
    run = partial(kafka.running, certificate=server_certificate)
    with _running(kafka, run) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_secured(kafka: Kafka) -> Secured:
    """The same broker as `kafka`, over TLS and after a login."""
    return kafka.secured


@pytest.fixture(scope="session")
def kafka_pair(server_certificate: Path) -> Iterator[tuple[Kafka, ...]]:
    """Two brokers with copies of each other's topics; the second may be taken away."""
    run = partial(kafka.running_cluster, certificate=server_certificate, brokers=2)
    with _running(kafka, run) as brokers:
        yield brokers


@pytest.fixture(scope="session", name="postgresql")
def running_postgresql() -> Iterator[PostgreSql]:
    run = partial(postgresql.running, fsync=False)
    with _running(postgresql, run) as server:
        yield server


@pytest.fixture
def postgresql_pair() -> Iterator[tuple[PostgreSql, PostgreSql]]:
    """Two servers of the test's own; the second, `standby`, follows the first."""
    with ExitStack() as stack:
        folders = [stack.enter_context(daemon.folder()) for _ in range(2)]
        server = _found(postgresql)
        first = postgresql.running(folders[0], server=server, fsync=False)
        primary = stack.enter_context(first)
        second = postgresql.standby(folders[1], of=primary, name="standby")
        yield primary, stack.enter_context(second)


@pytest.fixture(scope="session")
def pgbouncer_path() -> Path:
    return _found(pgbouncer)


@pytest.fixture(scope="session")
def helm_program() -> Path:
    return _found(helm)


@pytest.fixture(scope="session", name="kcat")
def kcat_program() -> Path:
    return _found(kcat)


@pytest.fixture(scope="session")
def asyncapi_schema() -> Path:
    """The official schema of AsyncAPI documents."""
    return _found(asyncapi)


@pytest.fixture(scope="session")
def javascript_sdk() -> Path:
    """The folder with TagoIO's client for JavaScript in its `node_modules`."""
    return _found(tagoio_sdk)


@pytest.fixture(scope="session")
def python_sdk() -> Path:
    """The folder with the wheels of TagoIO's client for Python."""
    return _found(tagoio_wheels)


@pytest.fixture(scope="session")
def bwrap() -> Path:
    """The program that puts a wall around hosted scripts."""
    return _found(bubblewrap)


@pytest.fixture(scope="session", name="chromium")
def chromium_program() -> Path:
    return _found(chromium)


@pytest.fixture(scope="session")
def axe_script() -> Path:
    """The script that looks for what not everyone can use."""
    return _found(axe)


@pytest.fixture(scope="session", name="compose")
def compose_program() -> Compose:
    return Compose(program=_found(compose))


@contextmanager
def _mailhog_with_starttls(certificate: Path) -> Iterator[MailHog]:
    with (
        daemon.folder() as directory,
        mailhog.running(directory, server=find(mailhog)) as caught,
        stunnel.running(
            directory,
            server=find(stunnel),
            certificate=certificate,
            behind=caught.smtp_port,
        ) as tunnel,
    ):
        yield replace(caught, smtp_port=tunnel.port)


@contextmanager
def _postfix_with_logins(certificate: Path) -> Iterator[Postfix]:
    password = secrets.token_urlsafe()
    with (
        daemon.folder() as directory,
        dovecot.running(directory, server=find(dovecot), password=password) as sasl,
        postfix.running(
            directory,
            server=find(postfix),
            certificate=certificate,
            logins=sasl,
        ) as submission,
    ):
        yield submission


def _account() -> Account:
    return Account(username="relay@example.com", password=secrets.token_urlsafe())


@contextmanager
def _running(service: Service, run: Run[Running]) -> Iterator[Running]:
    """Run one service in a folder of its own."""
    with ExitStack() as stack:
        yield _start(_in_a_folder(service, run), stack)


@contextmanager
def _in_a_folder(service: Service, run: Run[Running]) -> Iterator[Running]:
    with (
        daemon.folder() as directory,
        run(directory, server=find(service)) as running,
    ):
        yield running


def _start(service: AbstractContextManager[Running], stack: ExitStack) -> Running:
    try:
        return stack.enter_context(service)
    except Unavailable as unavailable:
        raise _verdict(str(unavailable)) from None


def _found(service: Service) -> Path:
    try:
        return find(service)
    except Unavailable as unavailable:
        raise _verdict(str(unavailable)) from None


def _verdict(reason: str) -> BaseException:
    """Skip on a laptop; in CI a missing service is a failure."""
    if os.environ.get("CI") == "true":
        return pytest.fail.Exception(reason, pytrace=False)
    return pytest.skip.Exception(reason)
