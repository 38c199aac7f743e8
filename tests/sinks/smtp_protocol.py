"""SMTP protocol: the server's side of ESMTP, apart from any socket.

RFC 5321, with STARTTLS (3207), AUTH PLAIN and LOGIN (4954) and PIPELINING (2920).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_COMMAND = re.compile(rb"([A-Za-z]+)(?: +(.*?))? *", re.DOTALL)
_PATH = re.compile(rb"(?:FROM|TO): *<([^<>]*)>(?: .*)?", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_END = b"\r\n.\r\n"

_GREETING = b"220 sink ESMTP\r\n"
_OK = b"250 2.0.0 Ok\r\n"
_ORDER = b"503 5.5.1 Not now\r\n"
_SYNTAX = b"501 5.5.4 Syntax error\r\n"
_WELCOME = b"235 2.7.0 Welcome\r\n"
_REFUSED = b"535 5.7.8 Wrong user name or password\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    text: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """The client has asked for the handshake, and waits for this reply."""

    text: bytes = b"220 2.0.0 Go ahead\r\n"


@dataclass(frozen=True, slots=True)
class Bye:
    """The client has said QUIT; after this reply the connection ends."""

    text: bytes = b"221 2.0.0 Bye\r\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """A whole mail, whose client waits for the answer to the final dot.

    `content` is what was sent, the final dot included.
    """

    message_id: str
    recipients: tuple[str, ...]
    content: bytes = field(default=b"", compare=False, repr=False)


Step = Reply | StartTls | Bye | Mail

# Tells by a line that was received what to answer to it; None, as a good server does.
# A line that is empty stands for the connection, which is greeted.
Script = Callable[[bytes], bytes | None]


def no_script(_: bytes) -> None:
    """Answer everything as a good server does."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Account:
    """The account that may log in; without a user name, any may."""

    username: str
    password: str

    def matches(self, username: bytes, password: bytes) -> bool:
        if not self.username:
            return True
        given = username + b"\0" + password
        return hmac.compare_digest(given, f"{self.username}\0{self.password}".encode())


@dataclass(slots=True, kw_only=True)
class Dialogue:
    """Hands out, one at a time, what is to be done about what was received.

    A scripted reply that refuses changes nothing: the command was not obeyed.
    """

    account: Account
    script: Script = no_script
    encrypted: bool = False
    _received: bytearray = field(default_factory=bytearray, init=False)
    _authenticated: bool = field(default=False, init=False)
    _sender: bytes | None = field(default=None, init=False)
    _recipients: list[str] = field(default_factory=list, init=False)
    _in_data: bool = field(default=False, init=False)
    _answer: Callable[[bytes], Step] | None = field(default=None, init=False)

    def receive(self, data: bytes) -> None:
        self._received += data

    def encrypt(self) -> None:
        """Forget all that was said before the handshake (RFC 3207 section 4.2).

        It includes what an attacker sent behind the STARTTLS line.
        """
        self.encrypted = True
        self._received.clear()
        self._reset()

    def next(self) -> Step | None:
        """Return the next step; None, more has to be received first."""
        end = self._received.find(_END if self._in_data else b"\r\n")
        if end < 0:
            return None
        said = bytes(self._received[:end])
        del self._received[: end + len(_END if self._in_data else b"\r\n")]
        return self._mail(said) if self._in_data else self._reply_to(said)

    def greet(self) -> Reply:
        """Return the reply to the connection itself."""
        scripted = self.script(b"")
        return Reply(_GREETING if scripted is None else scripted)

    def _reply_to(self, line: bytes) -> Step:
        scripted = self.script(line)
        answer, self._answer = self._answer or self._command, None
        if scripted is not None and scripted[:1] not in (b"2", b"3"):
            return Reply(scripted)
        step = answer(line)
        if scripted is None or isinstance(step, Mail):
            return step
        return replace(step, text=scripted)

    def _command(self, line: bytes) -> Step:
        found = _COMMAND.fullmatch(line)
        word = found[1].upper() if found else b""
        rest = (found[2] or b"") if found else b""
        match word:
            case b"EHLO" | b"HELO":
                self._reset()
                return Reply(self._greeting())
            case b"STARTTLS":
                return Reply(_ORDER) if self.encrypted else StartTls()
            case b"AUTH":
                return self._auth(rest)
            case b"NOOP":
                return Reply(_OK)
            case b"RSET":
                self._reset()
                return Reply(_OK)
            case b"QUIT":
                return Bye()
            case _:
                return self._envelope(word, rest)

    def _envelope(self, word: bytes, rest: bytes) -> Step:
        path = _PATH.fullmatch(rest)
        match word:
            case b"MAIL" | b"RCPT" | b"DATA" if not self._authenticated:
                return Reply(b"530 5.7.0 Log in first\r\n")
            case b"MAIL" if self._sender is None:
                return self._mail_from(path[1]) if path else Reply(_SYNTAX)
            case b"RCPT" if self._sender is not None:
                return self._rcpt_to(path[1]) if path else Reply(_SYNTAX)
            case b"DATA" if self._recipients:
                self._in_data = True
                # So that the end of an empty mail looks like that of any other.
                self._received[:0] = b"\r\n"
                return Reply(b"354 End with a dot\r\n")
            case b"MAIL" | b"RCPT" | b"DATA":
                return Reply(_ORDER)
            case _:
                return Reply(b"500 5.5.2 What?\r\n")

    def _greeting(self) -> bytes:
        lines = [b"sink", b"PIPELINING", b"8BITMIME", b"ENHANCEDSTATUSCODES"]
        lines.append(b"AUTH PLAIN LOGIN" if self.encrypted else b"STARTTLS")
        *most, last = lines
        return b"".join(b"250-%b\r\n" % line for line in most) + b"250 %b\r\n" % last

    def _mail_from(self, address: bytes) -> Reply:
        self._sender = address
        return Reply(_OK)

    def _rcpt_to(self, address: bytes) -> Reply:
        self._recipients.append(address.decode("utf-8", "replace"))
        return Reply(_OK)

    def _mail(self, content: bytes) -> Mail:
        head, _, _ = content.lstrip(b"\r\n").partition(b"\r\n\r\n")
        found = _MESSAGE_ID.search(head)
        message_id = found[1].decode() if found else ""
        whole = (content + _END).removeprefix(
            b"\r\n"
        )  # which came before its first line
        mail = Mail(message_id, tuple(self._recipients), whole)
        self._reset()
        return mail

    def _reset(self) -> None:
        self._sender, self._recipients, self._in_data = None, [], False

    def _auth(self, rest: bytes) -> Step:
        mechanism, _, initial = rest.partition(b" ")
        if not self.encrypted or self._authenticated:
            return Reply(_ORDER)
        match mechanism.upper():
            case b"PLAIN":
                return self._plain(initial) if initial else self._ask(b"", self._plain)
            case b"LOGIN" if initial:
                return self._username(initial)
            case b"LOGIN":
                return self._ask(b"Username:", self._username)
            case _:
                return Reply(b"504 5.5.4 PLAIN or LOGIN\r\n")

    def _ask(self, prompt: bytes, answer: Callable[[bytes], Step]) -> Reply:
        self._answer = answer
        return Reply(b"334 " + base64.b64encode(prompt) + b"\r\n")

    def _plain(self, answer: bytes) -> Step:
        _, username, password = [*_decoded(answer).split(b"\0"), b"", b""][:3]
        return self._log_in(username, password)

    def _username(self, username: bytes) -> Step:
        return self._ask(
            b"Password:",
            lambda password: self._log_in(_decoded(username), _decoded(password)),
        )

    def _log_in(self, username: bytes, password: bytes) -> Step:
        self._authenticated = self.account.matches(username, password)
        return Reply(_WELCOME if self._authenticated else _REFUSED)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
