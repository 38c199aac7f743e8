"""Exit codes: which one each foreseen failure of a command has, and its one sentence.

Imported once a command has failed: the failures are named all over Keyrelay, and a
command that succeeds needs few of those modules.
"""

from keyrelay.app.settings import InvalidSettings
from keyrelay.app.store import NotInitialised
from keyrelay.cli.exits import ExitCode
from keyrelay.cli.refusals import FoundBroken, Refused, WrongUsage
from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.trigger import MalformedTrigger
from keyrelay.ports import Unavailable, Unsealable
from keyrelay.services.naming import AmbiguousBeginning, AmbiguousName, UnknownName
from keyrelay.services.runtimes.wanted import NotPrepared
from keyrelay.sources.kafka.connecting.access import InvalidAccess
from keyrelay.sources.kafka.topics.layout import RefusedByKafka
from keyrelay.sources.sqlite.schema import UnknownSchema
from keyrelay.stores.copying import NotCopied
from keyrelay.stores.definitions.analyses import ScriptAltered
from keyrelay.stores.definitions.definition_index import IndexBroken
from keyrelay.stores.installation import KeysExist
from keyrelay.stores.refusals import EditedMeanwhile, InUse, NotFound
from keyrelay.stores.restoring import BehindCheckpoint
from keyrelay.stores.schema.age import DatabaseTooNew, DatabaseTooOld

CODES: dict[type[Exception], ExitCode] = {
    Refused: ExitCode.REFUSED,
    InvalidDefinition: ExitCode.REFUSED,
    MalformedTrigger: ExitCode.REFUSED,
    NotFound: ExitCode.REFUSED,
    UnknownName: ExitCode.REFUSED,
    AmbiguousName: ExitCode.REFUSED,
    AmbiguousBeginning: ExitCode.REFUSED,
    InUse: ExitCode.REFUSED,
    EditedMeanwhile: ExitCode.REFUSED,
    KeysExist: ExitCode.REFUSED,
    NotInitialised: ExitCode.REFUSED,
    NotCopied: ExitCode.REFUSED,
    NotPrepared: ExitCode.REFUSED,
    RefusedByKafka: ExitCode.REFUSED,
    WrongUsage: ExitCode.USAGE,
    InvalidSettings: ExitCode.USAGE,
    InvalidAccess: ExitCode.USAGE,
    Unavailable: ExitCode.UNAVAILABLE,
    UnknownSchema: ExitCode.UNAVAILABLE,
    DatabaseTooNew: ExitCode.UNAVAILABLE,
    DatabaseTooOld: ExitCode.UNAVAILABLE,
    Unsealable: ExitCode.BROKEN,
    FoundBroken: ExitCode.BROKEN,
    IndexBroken: ExitCode.BROKEN,
    BehindCheckpoint: ExitCode.BROKEN,
    ScriptAltered: ExitCode.BROKEN,
}
_MOST_IDS = 5  # in one sentence


def code_of(refusal: Exception) -> ExitCode:
    return next(code for kind, code in CODES.items() if isinstance(refusal, kind))


def sentence_of(refusal: Exception) -> str:
    match refusal:
        case IndexBroken():
            return (
                f"{refusal}: look at the definitions, then"
                " `keyrelay definitions accept --all`"
            )
        case UnknownName(noun=noun):
            return f"{refusal}: `keyrelay {noun} list` shows those there are"
        case AmbiguousName(ids=ids):
            return f"{refusal}; say which by id: {', '.join(ids[:_MOST_IDS])}"
        case _:
            return str(refusal)
