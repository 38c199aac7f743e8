"""SMTP credentials: what is inside a secret that sends mail."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from keyrelay.dispatchers.smtp.domains import require_server
from keyrelay.model.credentials import read_fields, require_printable
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.fields import Field
from keyrelay.model.secret import SecretType, SecretValue

NAME = "smtp"
FIELDS = (
    Field(
        name="smtp_server", description="The host name of the mail provider's server."
    ),
    Field(
        name="smtp_port",
        description="Its submission port.",
        schema={"type": "integer", "minimum": 1, "maximum": 65535},
        default="587",
    ),
    Field(name="username", description="The user name, often a mail address."),
    Field(
        name="password", description="The password, or an app password.", hidden=True
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmtpCredentials:
    """A parsed value of type `smtp`."""

    smtp_server: str
    smtp_port: int
    username: str
    password: SecretValue


def smtp_secret(ports: Collection[int]) -> SecretType:
    """Return the secret type `smtp`; the operator allows these ports."""
    return SecretType(
        name=NAME,
        fields=FIELDS,
        check=partial(_check, ports),
        check_some=partial(_check_some, ports),
    )


def smtp_credentials(value: SecretValue, ports: Collection[int]) -> SmtpCredentials:
    """Read a value of type `smtp`.

    Raises InvalidDefinition, whose message quotes nothing of the value.
    """
    fields = read_fields(value, FIELDS, NAME)
    return SmtpCredentials(
        smtp_server=require_server(fields["smtp_server"]),
        smtp_port=_port(fields["smtp_port"], ports),
        username=require_printable(fields["username"], "username"),
        password=SecretValue(require_printable(fields["password"], "password")),
    )


def _port(value: object, ports: Collection[int]) -> int:
    if isinstance(value, str) and value.isdigit():
        raise InvalidDefinition("smtp_port must be a number, without quotation marks")
    if not isinstance(value, int) or value not in ports:
        allowed = ", ".join(str(port) for port in sorted(ports))
        raise InvalidDefinition(
            f"smtp_port must be {allowed}; KEYRELAY_SMTP_PORTS allows others"
        )
    return value


def _check_some(ports: Collection[int], members: Mapping[str, object]) -> None:
    if "smtp_server" in members:
        require_server(members["smtp_server"])
    if "smtp_port" in members:
        _port(members["smtp_port"], ports)
    if "username" in members:
        require_printable(members["username"], "username")


def _check(ports: Collection[int], value: SecretValue) -> bool:
    smtp_credentials(value, ports)
    return False
