"""Applying: a profile's definitions made as a document of them says, one by one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from keyrelay.model.documents import InvalidDefinition
from keyrelay.services.analysis_applying import AnalysisApplying
from keyrelay.services.definition_entries import DefinitionEntry, Document
from keyrelay.services.standing import DefinitionReading, NotApplied, Standing
from keyrelay.stores.definitions.document_kind import D
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.listing import Noun
from keyrelay.stores.refusals import EditedMeanwhile, InUse, NotFound

_REFUSALS = (NotApplied, InvalidDefinition, EditedMeanwhile, InUse, NotFound)


class ApplyStep(StrEnum):
    """What becomes of one definition."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedEntry:
    """What became of a definition; `detail` says which fields, or why nothing did."""

    entry: DefinitionEntry
    step: ApplyStep
    detail: str = ""


@dataclass(slots=True)
class References:
    """What ids of the document stand for in the profile; the `lost`, for nothing."""

    found: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def note(self, wanted: DefinitionEntry, applied: AppliedEntry) -> None:
        if wanted.id is None:
            return
        if applied.step is ApplyStep.REFUSED or applied.entry.id is None:
            self.lost[wanted.id] = str(wanted)
        else:
            self.found[wanted.id] = applied.entry.id

    def resolved(self, value: object) -> object:
        """Return the value with the profile's ids. Raises NotApplied."""
        match value:
            case str() if value in self.lost:
                raise NotApplied(f"it needs {self.lost[value]}, which is not there")
            case str():
                return self.found.get(value, value)
            case list():
                return [self.resolved(each) for each in value]
            case dict():
                return {name: self.resolved(each) for name, each in value.items()}
            case _:
                return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """Applies documents in `profile` for `actor`; on a `trial`, nothing is written."""

    stores: DefinitionReading
    profile: str
    actor: str
    trial: bool = False

    async def apply(
        self, wanted: Sequence[DefinitionEntry], *, prune: bool = False
    ) -> AsyncIterator[AppliedEntry]:
        """Make what is missing, change what differs, and yield what became of each.

        An entry that is refused does not stop those that do not need it. To `prune` is
        to delete what is not among the wanted, if none was refused. Each change is
        written and recorded by itself: to apply again after a crash is safe. Raises
        Unavailable, IndexBroken and Unsealable.
        """
        standing = await self.stores.read(self.profile)
        references, kept, refused = References(), set[str | None](), False
        for entry in wanted:
            applied = await self._apply(standing, references, entry)
            references.note(entry, applied)
            kept.add(applied.entry.id)
            refused = refused or applied.step is ApplyStep.REFUSED
            yield applied
        if prune and not refused:
            for entry in standing.entries[::-1]:  # those that name others first
                if entry.id not in kept:
                    yield await self._delete(entry)

    async def _apply(
        self, standing: Standing, references: References, wanted: DefinitionEntry
    ) -> AppliedEntry:
        try:
            there = standing.find(wanted)
            document = {
                name: references.resolved(value)
                for name, value in wanted.document.items()
            }
            if there is None:
                id_ = await self._create(wanted, document)
                made = replace(wanted, id=id_)
                return AppliedEntry(entry=made, step=ApplyStep.CREATED)
            wanted = replace(wanted, id=there.id)
            changes = await self._changes(there, document)
            if not changes:
                return AppliedEntry(entry=wanted, step=ApplyStep.UNCHANGED)
            await self._edit(there, changes)
        except _REFUSALS as refusal:
            return _refused(wanted, refusal)
        detail = ", ".join(sorted(changes))
        return AppliedEntry(entry=wanted, step=ApplyStep.CHANGED, detail=detail)

    async def _create(self, wanted: DefinitionEntry, document: Document) -> str | None:
        """Return the new id; on a trial, the one in the document."""
        match wanted.noun:
            case Noun.SECRET:
                raise NotApplied(_how_to_create(document))
            case Noun.ANALYSIS:
                made = await self._analyses.create(document)
            case Noun.ACTION:
                made = await self._make(self.stores.actions, document, unique=True)
            case Noun.POLICY:
                made = await self._make(self.stores.policies, document, unique=False)
            case _:
                assert_never(wanted.noun)
        return made or wanted.id

    async def _make(
        self, store: DocumentStore[D], document: Document, *, unique: bool
    ) -> str | None:
        if self.trial:
            store.kind.parse(document, "", self.profile)
            return None
        stored = await store.create(self.profile, document, self.actor, unique=unique)
        return stored.id

    async def _changes(self, there: DefinitionEntry, document: Document) -> Document:
        if there.noun is Noun.ANALYSIS:
            return await self._analyses.changes(there, document)
        return there.changes(document)

    async def _edit(self, there: DefinitionEntry, changes: Document) -> None:
        if there.noun is Noun.SECRET and "type" in changes:
            raise NotApplied(
                f"it is of type {there.document['type']}, which never changes: delete"
                " it, or give it another key"
            )
        if there.noun is Noun.ANALYSIS:
            await self._analyses.edit(there, changes)
            return
        if self.trial:
            return
        profile, actor, id_ = self.profile, self.actor, there.id or ""
        match there.noun:
            case Noun.SECRET:
                await self.stores.secrets.edit(profile, id_, changes, actor)
            case Noun.ACTION:
                actions = self.stores.actions
                await actions.edit(profile, id_, changes, actor, unique=True)
            case Noun.POLICY:
                await self.stores.policies.edit(profile, id_, changes, actor)
            case _:
                assert_never(there.noun)

    async def _delete(self, entry: DefinitionEntry) -> AppliedEntry:
        store = {
            Noun.SECRET: self.stores.secrets.delete,
            Noun.ANALYSIS: self.stores.analyses.documents.delete,
            Noun.ACTION: self.stores.actions.delete,
            Noun.POLICY: self.stores.policies.delete,
        }[entry.noun]
        try:
            if not self.trial:
                await store(self.profile, entry.id or "", self.actor)
        except _REFUSALS as refusal:
            return _refused(entry, refusal)
        return AppliedEntry(entry=entry, step=ApplyStep.DELETED)

    @property
    def _analyses(self) -> AnalysisApplying:
        return AnalysisApplying(
            analyses=self.stores.analyses,
            profile=self.profile,
            actor=self.actor,
            trial=self.trial,
        )


def _refused(entry: DefinitionEntry, refusal: Exception) -> AppliedEntry:
    return AppliedEntry(
        entry=entry, step=ApplyStep.REFUSED, detail=f"{entry}: {refusal}"
    )


def _how_to_create(document: Mapping[str, object]) -> str:
    type_, tags = document.get("type"), document.get("tags")
    words = ["keyrelay secret create --key", str(document.get("key"))]
    if isinstance(type_, str):
        words += ["--type", type_]
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict):
            words += ["--tag", f"{tag.get('key')}={tag.get('value')}"]
    return f"it is not there, and its value is not here: `{' '.join(words)}` makes it"
