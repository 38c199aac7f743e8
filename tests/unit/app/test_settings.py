"""Settings: what an operator may choose, and what is refused with one sentence."""

import json
from pathlib import Path

import pytest

from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.databases.opening import file_of

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [f"KEYRELAY_{field}".upper() for field in Settings.model_fields]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KEYRELAY_HOME", str(tmp_path))


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    example = load_settings(CONFIG / "keyrelay.toml", {})

    assert example.model_dump() == Settings(home=tmp_path).model_dump()


def test_the_example_names_every_setting_but_the_secrets_themselves() -> None:
    text = (CONFIG / "keyrelay.toml").read_text()

    named = {line.lstrip("# ").partition(" = ")[0] for line in text.splitlines()}
    missing = [name for name in Settings.model_fields if name not in named]

    assert missing == ["kafka_password", "key"]


def test_the_schema_beside_the_example_is_the_settings() -> None:
    """`make schema` writes it anew."""
    kept = json.loads((CONFIG / "keyrelay.schema.json").read_text())

    assert kept == Settings.model_json_schema()


def test_the_readme_names_every_setting() -> None:
    readme = (CONFIG.parent / "README.md").read_text()

    missing = [
        name
        for name in Settings.model_fields
        if f"`KEYRELAY_{name.upper()}`" not in readme
    ]

    assert missing == []


def test_flags_override_the_environment_which_overrides_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keyrelay.toml").write_text("lanes = 1\ngrace_seconds = 1\nhome = 'x'")
    monkeypatch.setenv("KEYRELAY_GRACE_SECONDS", "2")
    monkeypatch.setenv("KEYRELAY_LEASE_SECONDS", "2")

    settings = load_settings(None, {"lease_seconds": 3})

    assert settings.lanes == 1
    assert settings.grace_seconds == 2
    assert settings.lease_seconds == 3


def test_lists_stand_in_the_environment_with_commas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEYRELAY_SMTP_PORTS", "587, 2525")
    monkeypatch.setenv("KEYRELAY_EGRESS_ALLOW", "10.0.0.0/8,127.0.0.1")
    monkeypatch.setenv("KEYRELAY_SQS_ENDPOINTS", "http://127.0.0.1:4566")

    settings = load_settings(None, {})

    assert settings.smtp_ports == (587, 2525)
    assert settings.egress_allow == ("10.0.0.0/8", "127.0.0.1")
    assert settings.sqs_endpoints == ("http://127.0.0.1:4566",)


def test_everything_lies_in_the_data_directory_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    plain = load_settings(None, {})
    placed = load_settings(
        None,
        {
            "database": "sqlite:////elsewhere/state.db",
            "queue": "sqlite:////elsewhere/triggers.db",
            "key_file": "/elsewhere/key",
        },
    )

    assert plain.database_url == f"sqlite:///{tmp_path}/keyrelay.db"
    assert plain.queue_url == f"sqlite:///{tmp_path}/queue.db"
    assert plain.key_path == tmp_path / "key"
    assert plain.checkpoint_path == tmp_path / "audit.checkpoint"
    assert placed.database_url == "sqlite:////elsewhere/state.db"
    assert placed.queue_url == "sqlite:////elsewhere/triggers.db"
    assert placed.key_path == Path("/elsewhere/key")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SMTP_PORTS", "mail", "smtp_ports"),
        ("SMTP_PORTS", "0", "smtp_ports"),
        ("LANES", "0", "lanes"),
        ("LANES", "many", "lanes"),
        ("DATABASE", "mysql://db/keyrelay", "postgresql://"),
        ("DATABASE", "nonsense", "sqlite:////"),
        ("DATABASE", "postgresql://me@host:hunter2/keyrelay", "sqlite:////"),
        ("QUEUE", "amqp://queue", "kafka://host:9092"),
        ("QUEUE", "kafka:queue", "kafka://host:9092"),
        ("QUEUE", "kafka://queue?topics=a", "topic, group, profile"),
        ("QUEUE", "kafka://me:hunter2@queue", "KEYRELAY_KAFKA_USERNAME"),
        ("PROBES", "everywhere", "127.0.0.1:9464"),
        ("API", "everywhere", "127.0.0.1:8473"),
        ("API_URL", "keyrelay.example.com", "https://keyrelay.example.com"),
        ("API_URL", "https://keyrelay.example.com/", "without a slash at its end"),
        ("API_URL", "https://me:hunter2@keyrelay.example.com", "expected a URL"),
        ("API_TRUSTED_PROXIES", "everywhere", "network"),
        ("SQS_ENDPOINTS", "ftp://queue", "http://127.0.0.1:4566"),
        ("SQS_ENDPOINTS", "http://user@queue", "nothing else"),
        ("SQS_ENDPOINTS", "http://queue/path", "nothing else"),
        ("EGRESS_ALLOW", "everywhere", "network"),
        ("ORDERING", "sometimes", "ordering"),
        ("LANE", "1", "no setting KEYRELAY_LANE"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"KEYRELAY_{name}", value)

    with pytest.raises(InvalidSettings) as refusal:
        load_settings(None, {})

    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_the_api_is_reached_where_it_listens_unless_told_otherwise() -> None:
    tls = {"api_tls_certificate": "/etc/keyrelay/api.pem"}
    url = "https://example.com/keyrelay"

    assert load_settings(None, {}).public_url == "http://127.0.0.1:8473"
    assert load_settings(None, tls).public_url == "https://127.0.0.1:8473"
    assert load_settings(None, {"api_url": url}).public_url == url


def test_kafka_may_have_many_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "kafka://a:9092,[::1]:9093?topic=alarms"
    monkeypatch.setenv("KEYRELAY_QUEUE", url)

    assert load_settings(None, {}).queue_url == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"lane = 1", "lane"),
        (b"lanes = ", "TOML"),
        (b"\xff", "TOML"),
        (b'key = ["hunter2"]', "setting key"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "keyrelay.toml").write_bytes(text)

    with pytest.raises(InvalidSettings) as refusal:
        load_settings(None, {})

    assert words in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no settings file"):
        load_settings(tmp_path / "missing.toml", {})


def test_the_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYRELAY_KEY", "hunter2")

    settings = load_settings(None, {})

    assert settings.key is not None
    assert settings.key.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KEYRELAY_CONFIG_FILE", "there is no setting KEYRELAY_CONFIG_FILE"),
        ("KEYRELAY_LANE", "there is no setting KEYRELAY_LANE"),
        ("keyrelay_lanes", "is written KEYRELAY_LANES"),
        ("Keyrelay_Key_File", "is written KEYRELAY_KEY_FILE"),
        ("keyrelay_config", "is written KEYRELAY_CONFIG"),
        ("keyrelay_lane", "there is no setting keyrelay_lane"),
    ],
)
def test_a_variable_that_is_no_setting_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "7")

    with pytest.raises(InvalidSettings, match=said):
        load_settings(None, {})


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a b", "a#b", "ä", "a:b", "%"])
def test_files_are_in_the_data_directory_whatever_it_is_called(
    tmp_path: Path, name: str
) -> None:
    home = tmp_path / name

    settings = load_settings(None, {"home": home})

    assert file_of(settings.database_url) == home / "keyrelay.db"
    assert file_of(settings.queue_url) == home / "queue.db"
