"""Checks: what the demo claims, each decided by what was found."""

import json
import signal
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from keyrelay.demo.definitions import ARRIVING, DEAD_LETTERS, IDS, MAIL_POLICY, MASKED


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What became of the triggers; `repeated` are those with a record that says so."""

    mailed: Counter[str]  # ids, as often as they arrived
    queued: Counter[str]
    buried: Mapping[str, str]  # reasons, by id
    repeated: Collection[str]

    def twice(self) -> list[str]:
        """Return the triggers that have arrived more than once, in order."""
        arrived = self.mailed + self.queued
        return sorted(id_ for id_, times in arrived.items() if times > 1)

    def buried_for(self, reason: str) -> list[str]:
        return [id_ for id_, its in self.buried.items() if reason in its]


def all_accepted(printed: Sequence[str]) -> Check:
    name = f"{len(printed)} accepted: 46 alarms by mail, 45 pallets for the queue"
    name += ", 5 newsletters, 4 to somebody who has left"
    return Check(name, sorted(printed) == [*IDS])


def killed(code: int, mails: int, messages: int) -> Check:
    """The signal ended it, and there was work left to do."""
    name = f"killed with SIGKILL: {mails} mails and {messages} messages have arrived"
    return Check(name, code == -signal.SIGKILL and mails + messages < ARRIVING)


def queue_is_empty(said: str) -> Check:
    return Check("the queue is empty", said.endswith(", 0 to be tried again later"))


def nothing_is_lost(results: Results, accepted: Collection[str] = IDS) -> Check:
    """Each accepted trigger is in one place, and nothing else is in any."""
    places = (results.mailed, results.queued, results.buried)
    found = sorted(id_ for place in places for id_ in place)
    parts = " + ".join(str(len(place)) for place in places)
    name = f"nothing is lost: {parts} = {len(accepted)}"
    return Check(name, found == sorted(accepted))


def repeats_are_recorded(results: Results) -> Check:
    twice, name = results.twice(), "nothing arrived twice, this time"
    if twice:
        name = f"{', '.join(twice)} came twice, as the records say: killed before them"
    return Check(name, set(twice) <= set(results.repeated))


def denial_is_explained(answer: Sequence[str]) -> Check:
    name, said = "denied, and the nearest policy is named", " ".join(answer)
    return Check(name, said.startswith("denied ") and MAIL_POLICY in said)


def secret_is_masked(console: Sequence[str]) -> Check:
    name = "the policy gave the script its secret, and its console masks it"
    return Check(name, any(MASKED in line for line in console))


def dead_letters_have_reasons(results: Results) -> Check:
    parts = tuple(len(results.buried_for(reason)) for reason in ("no policy", "550 "))
    name = "{} dead letters that no policy permits, {} that the".format(*parts)
    return Check(f"{name} mail server refused for good", parts == DEAD_LETTERS)


def trail_is_whole(answer: Sequence[str], attempts: int) -> Check:
    """Nothing is missing or altered; of an emptied trail, too many records are."""
    whole = " ".join(answer).endswith(", nothing is missing")
    records = int(answer[0].split()[0]) if whole else 0
    return Check("the audit trail is whole", records > attempts)


def no_secret_is_found(places: Sequence[str], known: Sequence[str]) -> Check:
    """The search found no secret; what is known to be there, it did find."""
    found, comparison = (", ".join(each) or "nothing" for each in (places, known))
    name = f"the search found {found}; looking for {IDS[0]}, it found {comparison}"
    return Check(name, not places and len(known) > 1)


def mailed(mails: Iterable[EmailMessage]) -> Counter[str]:
    """Count by Message-ID, which begins with the trigger's id."""
    return Counter(str(mail["Message-ID"]).strip("<").split(".")[0] for mail in mails)


def queued(bodies: Iterable[str]) -> Counter[str]:
    """Count by pallet, which has the trigger's number."""
    points = (point for body in bodies for point in json.loads(body))
    return Counter(point["value"].replace("P-", "demo-") for point in points)


def places_of(values: Iterable[str], folder: Path, printed: Iterable[str]) -> list[str]:
    """Return where a value stands, plain or in base64: names of files, or `output`."""
    forms = [value.encode() for value in values]
    # In base64 it looks different behind one byte more; its edges depend on neighbours.
    forms += [b64encode(bytes(by) + form)[4:-4] for form in forms for by in range(3)]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    texts["output"] = "\n".join(printed).encode()
    return [name for name in texts if any(form in texts[name] for form in forms)]
