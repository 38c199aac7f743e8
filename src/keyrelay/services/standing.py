"""Standing definitions: all that a profile has, as entries, found by id and by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.tags import tags_document
from keyrelay.services.definition_entries import ABSENT, DefinitionEntry, EntryNoun
from keyrelay.services.paging import read_pages
from keyrelay.services.script_entries import with_script
from keyrelay.stores.definitions.actions import ActionStore
from keyrelay.stores.definitions.analyses import AnalysisStore, ScriptAltered
from keyrelay.stores.definitions.document_kind import D
from keyrelay.stores.definitions.document_store import DocumentStore
from keyrelay.stores.definitions.listing import Listing, Noun, Page
from keyrelay.stores.definitions.policies import PolicyStore
from keyrelay.stores.definitions.secrets import SecretStore, StoredSecret, key_of
from keyrelay.stores.definitions.secrets import id_of as secret_id_of
from keyrelay.stores.definitions.stored_document import AnyStored, id_of, name_of
from keyrelay.stores.refusals import NotFound
from keyrelay.stores.unreadable import UnreadableRow

_NO_SCRIPT = (InvalidDefinition, NotFound, ScriptAltered)


class NotApplied(Exception):
    """A definition cannot be made as its entry says; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Secrets, analyses, actions, policies, each by name; `unreadable`, why by id."""

    entries: Sequence[DefinitionEntry]
    unreadable: Mapping[str, str]
    by_id: Mapping[str, DefinitionEntry]
    by_name: Mapping[tuple[Noun, str], Sequence[DefinitionEntry]]

    def find(self, wanted: DefinitionEntry) -> DefinitionEntry | None:
        """Return the one that the entry is about: by its id, else by its name.

        Secrets go by their key alone, which never changes. Raises NotApplied.
        """
        found = self.by_name.get((wanted.noun, wanted.name), ())
        same = self.by_id.get(wanted.id or "")
        if same is not None and same.noun is wanted.noun is not Noun.SECRET:
            found = (same,)
        if len(found) > 1:
            raise NotApplied(f"{len(found)} are called so: give it the id of one")
        if not found:
            return None
        reason = self.unreadable.get(found[0].id or "")
        if reason is not None:
            raise NotApplied(f"what is there cannot be read: {reason}; delete it")
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionReading:
    secrets: SecretStore
    analyses: AnalysisStore
    actions: ActionStore
    policies: PolicyStore

    async def read_whole(self, profile: str) -> Standing:
        """Read as `read` does, and the scripts that analyses run."""
        standing = await self.read(profile)
        entries, unreadable = list[DefinitionEntry](), dict(standing.unreadable)
        for entry in standing.entries:
            whole = entry
            if entry.noun is Noun.ANALYSIS and entry.id not in unreadable:
                try:
                    whole = await with_script(self.analyses, profile, entry)
                except _NO_SCRIPT as fault:
                    unreadable[entry.id or ""] = str(fault)
            entries.append(whole)
        return replace(standing, entries=entries, unreadable=unreadable)

    async def read(self, profile: str) -> Standing:
        """Read all but the scripts of analyses. Raises Unavailable."""
        entries, unreadable = list[DefinitionEntry](), dict[str, str]()
        for secret in await _secrets(self.secrets, profile):
            entries.append(_secret_entry(secret))
            _note(unreadable, secret_id_of(secret), secret)
        documents: Mapping[EntryNoun, Sequence[AnyStored]] = {
            Noun.ANALYSIS: await _documents(self.analyses.documents, profile),
            Noun.ACTION: await _documents(self.actions, profile),
            Noun.POLICY: await _documents(self.policies, profile),
        }
        for noun, stored in documents.items():
            for each in stored:
                entries.append(_document_entry(noun, each))
                _note(unreadable, id_of(each), each)
        by_name: dict[tuple[Noun, str], list[DefinitionEntry]] = {}
        for entry in entries:
            by_name.setdefault((entry.noun, entry.name), []).append(entry)
        return Standing(
            entries=entries,
            unreadable=unreadable,
            by_id={entry.id or "": entry for entry in entries},
            by_name=by_name,
        )


async def _secrets(store: SecretStore, profile: str) -> Sequence[StoredSecret]:
    async def fetch(page: int, amount: int) -> Sequence[StoredSecret]:
        return await store.list(profile, Listing(page=Page(page, amount)))

    return [each async for each in read_pages(fetch, secret_id_of)]


async def _documents(store: DocumentStore[D], profile: str) -> Sequence[AnyStored]:
    async def fetch(page: int, amount: int) -> Sequence[AnyStored]:
        return await store.list(profile, Listing(page=Page(page, amount)))

    return [each async for each in read_pages(fetch, id_of)]


def _secret_entry(stored: StoredSecret) -> DefinitionEntry:
    document: dict[str, object] = {}
    if not isinstance(stored, UnreadableRow):
        secret = stored.secret
        tags = tags_document(secret.tags)
        document = {"key": secret.key, "type": secret.type, "tags": tags}
    id_, key = secret_id_of(stored), key_of(stored)
    return DefinitionEntry(noun=Noun.SECRET, id=id_, name=key, document=document)


def _document_entry(noun: EntryNoun, stored: AnyStored) -> DefinitionEntry:
    document: dict[str, object] = {}
    if not isinstance(stored, UnreadableRow):
        document = {**ABSENT[noun], **stored.document}
    id_, name = id_of(stored), name_of(stored)
    return DefinitionEntry(noun=noun, id=id_, name=name, document=document)


def _note(unreadable: dict[str, str], id_: str, stored: object) -> None:
    if isinstance(stored, UnreadableRow):
        unreadable[id_] = stored.reason
