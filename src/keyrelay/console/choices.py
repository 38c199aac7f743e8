"""Choices: the things that there are, as a form offers them by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyrelay.console.own_api import ApiQuestion, OwnApi

_OFFERED = 500  # of each kind; of any other the id can be typed
_LISTS = {"analysis": "/analysis", "action": "/action", "secrets": "/secrets"}
_LABELS = {"analysis": "analysis", "action": "action", "secrets": "secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    kind: str
    id: str
    name: str

    @property
    def text(self) -> str:
        """What a field shows of it, which ends with its id."""
        return f"{_LABELS[self.kind]} {self.name} · {self.id}"

    @property
    def path(self) -> str:
        """Its page below the console."""
        folder = {"analysis": "analyses", "action": "actions"}.get(self.kind, self.kind)
        return f"/{folder}/{self.id}"


@dataclass(frozen=True, slots=True)
class Choices:
    offered: Sequence[Choice]

    @property
    def names(self) -> Mapping[str, str]:
        """The names by the ids."""
        return {each.id: each.name for each in self.offered}

    @property
    def ids(self) -> Mapping[str, str]:
        """The ids by the names; of several with one name, the first one's."""
        return {each.name: each.id for each in reversed(self.offered)}

    def text(self, id_: str) -> str:
        """Return what a field shows of the thing of this id."""
        return next((each.text for each in self.offered if each.id == id_), id_)


async def read_choices(api: OwnApi, kinds: Sequence[str] = tuple(_LISTS)) -> Choices:
    """Return the first of each kind, by name. Raises as the routes do."""
    offered: list[Choice] = []
    for kind in kinds:
        field = "key" if kind == "secrets" else "name"
        query = [("fields", "id"), ("fields", field), ("amount", str(_OFFERED))]
        rows = await api.results(_LISTS[kind], ApiQuestion(query=query))
        offered += [
            Choice(kind=kind, id=str(row["id"]), name=str(row[field])) for row in rows
        ]
    return Choices(offered)
