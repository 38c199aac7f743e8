"""Topics: created in a real Kafka, compared with what they must be, and refused."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from keyrelay.cli.session import run
from keyrelay.sources.kafka.topics.names import Topics
from tests.e2e.cli.command import Keyrelay
from tests.services.kafka import Kafka, Secured

ONE = ("--replication", "1")
FEW = (*ONE, "--partitions", "2")


@pytest.fixture
def topics(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Names of its own in the real broker, where none of the topics exist yet."""
    main = f"test.{secrets.token_hex(4)}"
    monkeypatch.setenv("KEYRELAY_QUEUE", f"kafka://{kafka.bootstrap}?topic={main}")
    return Topics(main=main)


@pytest.fixture
def secured(
    kafka_secured: Secured,
    topics: Topics,
    ca_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Secured:
    """The settings for a connection over TLS with SCRAM."""
    file = tmp_path / "kafka-password"
    file.write_text(kafka_secured.password)
    file.chmod(0o600)
    for name, value in {
        "QUEUE": f"kafka://{kafka_secured.bootstrap}?topic={topics.main}",
        "KAFKA_TLS": "true",
        "KAFKA_CA_FILE": str(ca_file),
        "KAFKA_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_USERNAME": kafka_secured.username,
        "KAFKA_PASSWORD_FILE": str(file),
    }.items():
        monkeypatch.setenv(f"KEYRELAY_{name}", value)
    return kafka_secured


def names(topics: Topics) -> list[str]:
    return [*topics.read, topics.dead]


def test_created_topics_pass_the_check(keyrelay: Keyrelay, topics: Topics) -> None:
    before = keyrelay("topics", "check", *ONE)
    made = keyrelay("topics", "create", *ONE, "--yes")
    after = keyrelay("topics", "check", *ONE)

    assert before.code == 1
    assert before.err.splitlines() == [
        f"keyrelay: topic {name} is not to be seen: run `keyrelay topics create`"
        for name in names(topics)
    ]
    assert (made.code, made.err) == (0, "")
    assert made.out.count("create") == len(names(topics))
    assert (after.code, after.err) == (0, "")
    assert after.out == "8 topics are there and as they must be\n"


def test_created_topics_keep_triggers_for_days_whatever_their_size(
    keyrelay: Keyrelay, topics: Topics
) -> None:
    made = keyrelay("topics", "create", *ONE, "--yes", "--json").documents

    assert [each["topic"] for each in made] == names(topics)
    for each in made:
        days = 30 if each["topic"] == topics.dead else 7
        mebibytes = 7 if each["topic"] == topics.main else 8
        assert (each["exists"], each["plan"]) == (True, "leave")
        assert (each["partitions"], each["replication"]) == (12, 1)
        assert each["deviations"] == []
        assert each["settings"] == {
            "cleanup.policy": "delete",
            "retention.ms": str(days * 24 * 60 * 60 * 1000),
            "retention.bytes": "-1",
            "max.message.bytes": str(mebibytes * 1024 * 1024),
            "message.timestamp.type": "CreateTime",
            "min.insync.replicas": "1",
        }


def test_creating_topics_that_exist_changes_nothing(
    keyrelay: Keyrelay, topics: Topics
) -> None:
    first = keyrelay("topics", "create", *FEW, "--yes", "--json").documents

    second = keyrelay("topics", "create", *FEW, "--json").documents

    assert second == first


def test_a_plan_creates_nothing(keyrelay: Keyrelay, topics: Topics) -> None:
    shown = keyrelay("topics", "create", *ONE, "--plan")
    planned = keyrelay("topics", "create", *ONE, "--plan", "--json").documents

    assert shown.code == 0
    assert shown.out.splitlines()[1].split() == (
        f"{topics.main} create 12 1 7 days 1".split()
    )
    assert {each["plan"] for each in planned} == {"create"}
    assert not any(each["exists"] for each in planned)
    assert keyrelay("topics", "check", *ONE).code == 1


def test_without_a_terminal_nothing_is_created_unless_told(
    keyrelay: Keyrelay, topics: Topics
) -> None:
    said = keyrelay("topics", "create", *ONE)

    assert said.code == 2
    assert said.err == "keyrelay: there is no terminal to ask at; give --yes\n"
    assert keyrelay("topics", "check", *ONE).code == 1


def test_partitions_are_added_only_with_grow_and_a_warning(
    keyrelay: Keyrelay, topics: Topics
) -> None:
    keyrelay("topics", "create", *FEW, "--yes")

    left = keyrelay("topics", "create", *ONE, "--yes")
    grown = keyrelay("topics", "create", *ONE, "--yes", "--grow")
    more = keyrelay("topics", "create", *FEW, "--yes", "--grow")

    assert left.code == 1
    assert left.err.splitlines()[0] == (
        f"keyrelay: topic {topics.main}: partitions is 2, and must be at least 12;"
        " --grow adds them"
    )
    assert grown.code == 0
    assert "may overtake each other" in grown.err
    assert (more.code, more.err) == (0, "")
    assert keyrelay("topics", "check", *ONE).code == 0


def test_more_copies_than_brokers_are_refused(
    keyrelay: Keyrelay, topics: Topics
) -> None:
    said = keyrelay("topics", "create", "--yes")

    assert said.code == 1
    assert said.is_one_sentence
    assert "3 copies need as many brokers, and there is 1; give --replication 1" in (
        said.err
    )


def test_each_difference_is_named_and_left_as_it_is(
    keyrelay: Keyrelay, topics: Topics, kafka: Kafka
) -> None:
    settings = {"cleanup.policy": "compact", "retention.ms": "60000"}
    make(kafka, topics.main, settings)
    make(kafka, topics.held, {"retention.ms": "-1", "retention.bytes": "1048576"})

    made = keyrelay("topics", "create", *FEW, "--yes")
    checked = keyrelay("topics", "check", *FEW)
    document = keyrelay("topics", "create", *FEW, "--plan", "--json").documents[0]

    assert made.code == checked.code == 1
    assert made.err == checked.err
    assert checked.err.splitlines() == [
        f"keyrelay: topic {topics.main}: cleanup.policy is compact, and must be delete",
        f"keyrelay: topic {topics.main}: retention.ms is 60000, and must be at least"
        " 604800000",
        f"keyrelay: topic {topics.main}: max.message.bytes is 1048588, and must be at"
        " least 7340032",
        f"keyrelay: topic {topics.held}: retention.bytes is 1048576, and must be -1",
        f"keyrelay: topic {topics.held}: max.message.bytes is 1048588, and must be at"
        " least 8388608",
    ]
    wrong = {"setting": "cleanup.policy", "found": "compact", "wanted": "delete"}
    assert wrong in listed(document["deviations"])


def test_topics_need_kafka(keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYRELAY_QUEUE", raising=False)

    said = keyrelay("topics", "check")

    assert said.code == 1
    assert said.is_one_sentence
    assert "set KEYRELAY_QUEUE to a URL like kafka://host:9092" in said.err


def test_topics_are_created_over_tls_with_a_login(
    keyrelay: Keyrelay, secured: Secured
) -> None:
    assert keyrelay("topics", "create", *FEW, "--yes").code == 0
    assert keyrelay("topics", "check", *FEW).code == 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"KAFKA_PASSWORD_FILE": "wrong"},
            "refuses the login; see KEYRELAY_KAFKA_USER",
        ),
        (
            {"KAFKA_USERNAME": "nobody"},
            "refuses the login; see KEYRELAY_KAFKA_USERNAME",
        ),
        ({"KAFKA_CA_FILE": "other"}, "has a certificate that is not trusted"),
        ({"QUEUE": "elsewhere"}, "has a certificate for another name"),
    ],
    ids=["password", "user", "authority", "host name"],
)
def test_a_refused_connection_is_explained_in_one_sentence(
    keyrelay: Keyrelay,
    secured: Secured,
    ca_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: Mapping[str, str],
    sentence: str,
) -> None:
    (tmp_path / "wrong").write_text("canary")
    (tmp_path / "wrong").chmod(0o600)
    values = {
        "wrong": str(tmp_path / "wrong"),
        "other": str(other_authority(tmp_path)),
        # This machine, by a name that is not in the certificate.
        "elsewhere": f"kafka://127.1:{secured.port}",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"KEYRELAY_{name}", values.get(value, value))

    said = keyrelay("topics", "check")

    assert said.code == 3
    assert said.is_one_sentence, said
    assert sentence in said.err
    assert "canary" not in said.err


def test_plaintext_to_a_tls_listener_is_explained(
    keyrelay: Keyrelay, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TLS", "CA_FILE", "MECHANISM", "USERNAME", "PASSWORD_FILE"):
        monkeypatch.delenv(f"KEYRELAY_KAFKA_{name}")

    said = keyrelay("topics", "check")

    assert said.code == 3
    assert said.is_one_sentence, said
    assert "KEYRELAY_KAFKA_TLS" in said.err


def test_a_broker_that_is_not_there_is_named(
    keyrelay: Keyrelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRELAY_QUEUE", "kafka://127.0.0.1:1,[::1]:1")

    said = keyrelay("topics", "check")

    assert said.code == 3
    assert said.is_one_sentence, said
    assert "127.0.0.1:1 does not answer" in said.err
    assert "[::1]:1 does not answer" in said.err


def test_settings_that_do_not_go_together_are_wrong_usage(
    keyrelay: Keyrelay, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRELAY_KAFKA_MECHANISM", "PLAIN")

    said = keyrelay("topics", "check")

    assert said.code == 2
    assert said.is_one_sentence, said


def listed(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def make(kafka: Kafka, name: str, settings: Mapping[str, str]) -> None:
    """Create a topic without Keyrelay."""
    topic = NewTopic(
        name=name, num_partitions=2, replication_factor=1, topic_configs=settings
    )

    async def work() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await admin.start()
        await admin.create_topics([topic])
        await admin.close()

    run(work())


def other_authority(folder: Path) -> Path:
    file = folder / "other.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file
