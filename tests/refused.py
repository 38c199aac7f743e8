"""Refused: docs/refused.md, written from the sentences that stand in the source.

`make refused` writes it anew; a test compares.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "keyrelay"
DOCUMENT = ROOT / "docs" / "refused.md"

_HEAD = """\
# When something is refused

Every sentence that a refusal can end in, and what to do. A command prints one of them
after `keyrelay:` and ends with the exit code; an attempt's record and a dead letter
have it as their `reason`. `…` stands for what differs: a name, an id, a number, a file,
or the words of a server. None of them holds a secret's value.

Search this page for the words between the `…`. `make refused` writes it anew.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`kinds` are the classes that the sentences are raised or returned as."""

    title: str
    remedy: str
    kinds: Sequence[str]


SECTIONS = (
    Section(
        title="Wrong usage: exit code 2",
        remedy="Nothing was done. The sentence names the options that go together;"
        " `--help` of the command has examples.",
        kinds=("WrongUsage",),
    ),
    Section(
        title="Settings: exit code 2",
        remedy="Nothing was done. Correct the setting, in `keyrelay.toml` or as"
        " `KEYRELAY_…`; README.md lists all of them with their meaning and default.",
        kinds=(
            *("InvalidSettings", "InvalidAccess", "InvalidAddress", "InvalidNetwork"),
            *("InvalidServerUrl", "ValueError"),
        ),
    ),
    Section(
        title="Refused: exit code 1",
        remedy="Nothing was changed, but for what was printed before. Do what the"
        " sentence says, or look with the `list` and `show` commands of the noun.",
        kinds=(
            *(
                "Refused",
                "NotFound",
                "UnknownName",
                "AmbiguousName",
                "AmbiguousBeginning",
                "InUse",
            ),
            *("EditedMeanwhile", "BeingAttempted", "NotRedriven", "NotInCatalog"),
            *("KeysExist", "NotInitialised", "NotCopied", "RefusedByKafka"),
            *("TooFewBrokers", "TopicsMissing", "_not_acted_on", "NotRecorded"),
            "NotPrepared",
        ),
    ),
    Section(
        title="Documents and triggers: exit code 1",
        remedy="What was sent breaks a rule; send it again once it is corrected."
        " `keyrelay secret types --json`, `keyrelay action types --json` and"
        " docs/trigger.schema.json have the rules. What came through Kafka is buried:"
        " correct the producer, publish again under another id, and drop the letter.",
        kinds=(
            *("InvalidDefinition", "MalformedTrigger", "NotAccepted", "CutOff"),
            "TooLarge",
        ),
    ),
    Section(
        title="Unavailable: exit code 3",
        remedy="Something that is needed does not answer, or the vault is sealed. A"
        " command can be repeated; a worker waits and goes on by itself, and `/readyz`"
        " says what is missing. `keyrelay key status` says why a vault is sealed; a"
        " full disk needs room; a database that is newer or older needs the right"
        " version (docs/upgrading.md).",
        kinds=(
            *("Unavailable", "Locked", "UnknownSchema", "DatabaseTooNew"),
            *("DatabaseTooOld", "UnfitSession", "NotPrivate", "Stalled"),
            "UnreadableCertificates",
        ),
    ),
    Section(
        title="Refused by the API: 400, 401, 404, 405, 429",
        remedy="Nothing was done. The sentence is the `message` of the answer; the API"
        " also answers those of the sections above, with the statuses that docs/api.md"
        " lists. `Authorization Denied`: there was not exactly one `token` header, the"
        " token is unknown, revoked or expired, or its kind may not do this"
        " (docs/rights.md). `… Not Found`: the profile of the token has none with this"
        " id. `Too many requests`: this address has sent too many wrong tokens.",
        kinds=(
            *("BadRequest", "NotNow", "failed"),
            *("TooManyStreams", "TooManyCalls", "ConsoleBusy"),
        ),
    ),
    Section(
        title="Refused at the API's border: 400, 408, 413, 414, 415, 429, 431, 503",
        remedy="The request was not handed to the application. The sentence is the"
        " `message` of the answer, behind which the connection is closed; docs/api.md"
        " has the limits.",
        kinds=("BorderRefusal", "bad_request", "_bad_head", "_head_too_large"),
    ),
    Section(
        title="Found broken: exit code 4",
        remedy="Stored data was altered, or is lost. Keep a copy of the database and"
        " of the checkpoints as they are, find out who had access, and restore a"
        " backup, or write the definition anew. `keyrelay audit verify` and"
        " `keyrelay key status --check` say how much is affected.",
        kinds=(
            *("FoundBroken", "Unsealable", "CheckpointForged", "IndexBroken"),
            *("BehindCheckpoint", "ScriptAltered"),
        ),
    ),
    Section(
        title="An attempt was rejected: a dead letter",
        remedy="It is not tried again. `fault` says whose it is: `definition`, change"
        " the action, the policy or the secret, then `keyrelay dead-letter redrive ID`;"
        " `trigger`, the producer must send another one, then `drop`; `system`, redrive"
        " once the cause is gone.",
        kinds=("Rejected", "Denial", "HeaderInjected"),
    ),
    Section(
        title="An attempt is tried again",
        remedy="Nothing needs to be done while the deadline is far. What waits for a"
        " secret goes on when its value is replaced (`keyrelay secret edit`).",
        kinds=("Deferred", "SessionRefused", "SessionExhausted", "StaleSession"),
    ),
    Section(
        title="An attempt whose end is unknown, or whose connection was refused",
        remedy="`uncertain`: the receiver may have it, and it is sent again with the"
        " same Message-ID or deduplication id. An address or a connection that is"
        " refused names the setting that would permit it, or what the server's"
        " certificate and TLS lack.",
        kinds=(
            *("Uncertain", "AddressRefused", "InsecureConnection", "NoReply"),
            *("ConversationFailed", "ConnectionFailed"),
        ),
    ),
)


def sentences() -> Mapping[str, Sequence[str]]:
    """Return the sentences of each kind, in the order of the alphabet."""
    known = {kind for section in SECTIONS for kind in section.kinds}
    found: dict[str, set[str]] = {kind: set() for kind in known}
    for module in SOURCE.rglob("*.py"):
        # Elsewhere a ValueError is a mistake of ours, and nothing that is refused.
        told = known if module.parent.name == "app" else known - {"ValueError"}
        for call in ast.walk(ast.parse(module.read_text())):
            if isinstance(call, ast.Call) and _kind(call) in told:
                found[_kind(call)].update(_said(call))
    return {kind: sorted(said) for kind, said in found.items()}


def page() -> str:
    said = sentences()
    parts = [_HEAD]
    for section in SECTIONS:
        each = sorted({one for kind in section.kinds for one in said[kind]})
        lines = "\n".join(f"- {one}" for one in each)
        parts.append(f"## {section.title}\n\n{section.remedy}\n\n{lines}\n")
    return "\n".join(parts)


def _kind(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _said(call: ast.Call) -> Iterator[str]:
    for argument in (*call.args, *(each.value for each in call.keywords)):
        text = _text(argument)
        if " " in text.strip():
            yield " ".join(text.split())


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(
                _text(part) if isinstance(part, ast.Constant) else "…" for part in parts
            )
        case _:
            return ""


if __name__ == "__main__":
    DOCUMENT.write_text(page())
