"""Settings: what an operator may choose.

`settings_loading.py` reads them from flags, environment and file.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from keyrelay.app.setting_kinds import (
    ADDRESS,
    API_URL,
    CLIENT_NAME,
    DATABASE,
    LONGEST_CLIENT_NAME,
    ORIGIN,
    QUEUE,
    Networks,
    Port,
    address,
    api_address,
    client_name,
    database_url,
    origin,
    queue_url,
    split,
    url_of_api,
)

PREFIX = "KEYRELAY_"
_MATCHING_ORIGIN = Field(json_schema_extra={"pattern": ORIGIN})


class InvalidSettings(ValueError):
    """A setting is invalid; the message names it and says what it may be."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # the input may be a key
        validate_default=True,
    )

    home: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default=Path("~/.local/share/keyrelay"),
        description="Data directory: databases, key file, audit checkpoint.",
    )
    database: Annotated[SecretStr | None, AfterValidator(database_url)] = Field(
        default=None,
        description="Where definitions, audit and dead letters are kept: sqlite:////path"
        " or postgresql://user@host/name; keyrelay.db in the data directory, if left"
        " out.",
        json_schema_extra={"pattern": DATABASE},
    )
    queue: Annotated[str | None, AfterValidator(queue_url)] = Field(
        default=None,
        description="Where triggers wait: sqlite:////path or"
        " kafka://host:9092?topic=NAME; queue.db in the data directory if left out.",
        json_schema_extra={"pattern": QUEUE},
    )
    kafka_tls: bool = Field(
        default=False, description="Whether Kafka is spoken to over TLS."
    )
    kafka_ca_file: Path | None = Field(
        default=None,
        description="PEM file with trust anchors for Kafka, beside the system's.",
    )
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None,
        description="SASL mechanism of the login at Kafka; PLAIN needs TLS.",
    )
    kafka_username: str | None = Field(
        default=None, description="User name of the login at Kafka."
    )
    kafka_password: SecretStr | None = Field(
        default=None,
        description="Password of the login at Kafka; better leave it out and use the"
        " file.",
    )
    kafka_password_file: Path | None = Field(
        default=None, description="File with the password of the login at Kafka."
    )
    kafka_member: str | None = Field(
        default=None,
        max_length=249,
        description="This worker's own name in its group, the same after a restart.",
    )
    deduplication_hours: float = Field(
        default=24,
        ge=0,
        le=24 * 30,
        description="How long after it was settled a trigger that Kafka brings again is"
        " known; 0, never.",
    )
    key: SecretStr | None = Field(
        default=None,
        description="The key-encryption key itself, for platforms that keep secrets"
        " in the environment; better leave it out and use the file.",
    )
    key_file: Path | None = Field(
        default=None,
        description="File with the key-encryption key, mode 0400 or 0600;"
        " `key` in the data directory if left out.",
    )
    profile: str = Field(
        default="default", description="The profile that commands act in, by name."
    )
    smtp_ports: Annotated[tuple[Port, ...], NoDecode, BeforeValidator(split)] = Field(
        default=(587,),
        description="Ports that SMTP secrets may name; 465 speaks TLS at once, every"
        " other one STARTTLS.",
    )
    smtp_name: Annotated[str | None, AfterValidator(client_name)] = Field(
        default=None,
        description="What mail servers are told in EHLO that we are called; the host's"
        " full name, or else the domain of the secret's user name, if left out.",
        json_schema_extra={"pattern": CLIENT_NAME, "maxLength": LONGEST_CLIENT_NAME},
    )
    smtp_ca_file: Path | None = Field(
        default=None,
        description="PEM file with trust anchors beside the system's.",
    )
    egress_allow: Networks = Field(
        default=(),
        description="Networks beyond the public ones that mail may be sent to.",
    )
    sqs_endpoints: Annotated[
        tuple[Annotated[str, AfterValidator(origin), _MATCHING_ORIGIN], ...],
        NoDecode,
        BeforeValidator(split),
    ] = Field(
        default=(),
        description="SQS endpoints beside AWS, such as LocalStack's;"
        " a queue URL on one of them is sent there.",
    )
    lanes: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Triggers at work at once, beside those that wait for a peer.",
    )
    grace_seconds: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long a stopping worker waits for what has been started.",
    )
    lease_seconds: float = Field(
        default=30,
        ge=0.5,
        le=3600,
        description="How long after a worker's sudden death its triggers and runs go"
        " back.",
    )
    ordering: Literal["none", "key"] = Field(
        default="none",
        description="With `key`, triggers that share a key are attempted in order.",
    )
    secret_tags: Literal["required", "optional"] = Field(
        default="required", description="Whether a secret needs at least one tag."
    )
    probes: Annotated[str, AfterValidator(address)] = Field(
        default="127.0.0.1:9464",
        description="Where a worker, or `keyrelay api`, answers /metrics, /healthz and"
        " /readyz, or `off`.",
        json_schema_extra={"pattern": ADDRESS},
    )
    api: Annotated[str, AfterValidator(api_address)] = Field(
        default="127.0.0.1:8473",
        description="Where the management API listens, or `off`.",
        json_schema_extra={"pattern": ADDRESS},
    )
    api_url: Annotated[str | None, AfterValidator(url_of_api)] = Field(
        default=None,
        description="How clients reach the API, such as https://keyrelay.example.com;"
        " the address where it listens, if left out.",
        json_schema_extra={"pattern": API_URL},
    )
    api_tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the API's certificate and those between it and its"
        " authority; with it the API speaks TLS alone.",
    )
    api_tls_key: Path | None = Field(
        default=None, description="PEM file with the private key of that certificate."
    )
    api_ca_file: Path | None = Field(
        default=None,
        description="PEM file with trust anchors for the API beside the system's, by"
        " which hosted scripts reach it.",
    )
    api_trusted_proxies: Networks = Field(
        default=(),
        description="Networks of the proxies whose X-Forwarded-For and"
        " X-Forwarded-Proto are believed.",
    )
    api_insecure: bool = Field(
        default=False,
        description="Whether the API may listen in clear, without a proxy, beyond this"
        " machine.",
    )
    backlog_limit: int = Field(
        default=0,
        ge=0,
        description="About how many unsettled triggers of one profile there may be for"
        " the API to accept more; 0, any number.",
    )
    analyses: Annotated[
        tuple[Literal["external", "hosted"], ...], NoDecode, BeforeValidator(split)
    ] = Field(
        default=(),
        description="Which runs of analyses a process performs: `external` hands them"
        " to listeners of the API, `hosted` runs them here, in a sandbox. Left out,"
        " both for `keyrelay up`, and `external` for all others.",
    )
    script_lanes: int = Field(
        default=2, ge=1, le=64, description="Hosted scripts that run at once."
    )
    script_seconds: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="How long a hosted script may run before it is killed.",
    )
    script_network: Literal["api", "host"] = Field(
        default="api",
        description="What hosted scripts reach: the API of Keyrelay alone, or all that"
        " this machine does.",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`auto` is text on a terminal and JSON elsewhere."
    )

    @property
    def database_url(self) -> str:
        if self.database is None:
            return _file_url(self.home / "keyrelay.db")
        return self.database.get_secret_value()

    @property
    def queue_url(self) -> str:
        return self.queue or _file_url(self.home / "queue.db")

    @property
    def is_log(self) -> bool:
        """Whether triggers wait in Kafka."""
        return self.queue_url.startswith("kafka:")

    @property
    def public_url(self) -> str:
        """Where clients reach the API, without a slash at its end."""
        scheme = "http" if self.api_tls_certificate is None else "https"
        return self.api_url or f"{scheme}://{self.api}"

    @property
    def key_path(self) -> Path:
        return self.key_file or self.home / "key"

    @property
    def checkpoint_path(self) -> Path:
        return self.home / "audit.checkpoint"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _file_url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"  # a path may hold what a URL means otherwise
