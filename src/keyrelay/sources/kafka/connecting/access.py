"""Access: whether Kafka is reached by TLS, and with which login, from the settings."""

from dataclasses import dataclass
from pathlib import Path

from keyrelay.model.secret import SecretValue
from keyrelay.ports import Unavailable
from keyrelay.vault.private_file import NotPrivate, read_private

_LONGEST = 1024  # bytes of a password
_NEEDS = (
    "KEYRELAY_KAFKA_USERNAME and either KEYRELAY_KAFKA_PASSWORD_FILE or"
    " KEYRELAY_KAFKA_PASSWORD"
)


class InvalidAccess(ValueError):
    """The settings kafka_* do not go together; the message says which do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Without a SASL `mechanism` there is no login."""

    tls: bool = False
    ca_file: Path | None = None
    mechanism: str | None = None
    username: str | None = None
    password: SecretValue | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        if self.ca_file is not None and not self.tls:
            raise InvalidAccess("KEYRELAY_KAFKA_CA_FILE needs KEYRELAY_KAFKA_TLS=true")
        passwords = (self.password, self.password_file)
        given = [each for each in (self.username, *passwords) if each is not None]
        if self.mechanism is None:
            if given:
                raise InvalidAccess("a login at Kafka needs KEYRELAY_KAFKA_MECHANISM")
            return
        if not self.username or len(given) != 2:
            raise InvalidAccess(f"KEYRELAY_KAFKA_MECHANISM needs {_NEEDS}")
        if self.mechanism == "PLAIN" and not self.tls:
            raise InvalidAccess("PLAIN sends the password: set KEYRELAY_KAFKA_TLS=true")


def password_of(access: Access) -> SecretValue | None:
    """Return the password from the settings or its file. Raises Unavailable."""
    if access.password_file is None:
        return access.password
    password = _read(access.password_file)
    if password is None:
        raise Unavailable(
            f"{access.password_file} does not hold a password: one line of text, and"
            f" at most {_LONGEST} bytes"
        )
    return password


def _read(path: Path) -> SecretValue | None:
    # A function of its own, so that no traceback shows the text among its locals.
    try:
        return _parse(read_private(path, "password file", _LONGEST + 2))
    except FileNotFoundError:
        sentence = f"there is no password file at {path}; put it there"
    except NotPrivate as fault:
        sentence = str(fault)
    raise Unavailable(sentence)


def _parse(raw: bytes) -> SecretValue | None:
    line = raw.removesuffix(b"\n")
    try:
        text = line.decode()
    except UnicodeDecodeError:  # not raised on: it holds the whole input
        return None
    fits = 0 < len(line) <= _LONGEST and text.isprintable()
    return SecretValue(text) if fits else None
