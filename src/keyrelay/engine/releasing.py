"""Releasing: what a run is given of its profile's secrets, each release on record."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from keyrelay.model.analysis import Analysis, Variable
from keyrelay.model.audit import Released, ReleaseRecord, RunIdentity
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.policy import Permit, explain, permits
from keyrelay.model.release import ReleasedEnvironment, RunPlace
from keyrelay.model.secret import OpenedSecret, SealedSecret
from keyrelay.model.world import World
from keyrelay.ports import AuditLog, Unsealable, Vault

MOST_TOLD = 20  # secrets that a run's console names as withheld

# Characters; what is shorter may well be the same by chance.
SHORTEST_COMPARED = 8

# Secrets; to decide on them takes some milliseconds, and then others have their turn.
_DECIDED_AT_ONCE = 200

_Opened = tuple[Permit, OpenedSecret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing:
    """Releases secrets to runs of analyses, as policies stand in a catalog."""

    vault: Vault
    audit: AuditLog
    world: World

    async def release(
        self,
        catalog: Catalog,
        analysis: Analysis,
        run: str,
        place: RunPlace,
        extra: Sequence[Variable],
    ) -> ReleasedEnvironment:
        """Return what the run is given, once all that is released to it is on record.

        First the secrets that policies let the analysis access, by key; then `extra`;
        then its own variables. Of one key only the last is given: a secret that is
        replaced so is not opened. One that does not open is withheld. Raises
        Unavailable: then nothing is given, and some of it may be on record.
        """
        profile, id_ = analysis.tagged.profile, analysis.tagged.id
        variables = _last_of_each_key([*extra, *analysis.variables])
        if (closed := catalog.omitted.profiles.get(profile)) is not None:
            return _environment((), variables, (closed,))
        wanted = _not_replaced(catalog.secrets_of(profile), variables)
        # All is decided before anything is opened: an error then releases nothing.
        allowed = await permitted(catalog, analysis, wanted)
        opened, unopened = await self._open(allowed)
        to = RunIdentity(profile=profile, run=run, analysis=id_, place=place)
        await self._record(to, opened)
        denied = _denied(catalog, analysis, wanted, allowed)
        withheld = _told(chain(unopened, denied), len(wanted) - len(opened))
        released = [each for _, each in opened]
        remarks = await _with_values_of(released, analysis.variables)
        return replace(_environment(released, variables, withheld), remarks=remarks)

    async def _open(
        self, permitted: Sequence[Permit]
    ) -> tuple[Sequence[_Opened], Sequence[str]]:
        """Return what has opened, and a sentence for each secret that has not."""
        opened, unopened = list[_Opened](), list[str]()
        for permit in permitted:
            try:
                opened.append((permit, await self.vault.open(permit)))
            except Unsealable as fault:
                key = permit.sealed.secret.key
                unopened.append(f"secret {key} is withheld: it does not open: {fault}")
        return opened, unopened

    async def _record(self, to: RunIdentity, opened: Sequence[_Opened]) -> None:
        """Return once each release is on record, all of them by common commits."""
        at = self.world.now()
        records = [
            ReleaseRecord(id=self.world.new_id(at), to=to, released=_of(permit), at=at)
            for permit, _ in opened
        ]
        # All have ended before the first fault is raised: none goes on unnoticed.
        appended = [self.audit.append(record) for record in records]
        for fault in await asyncio.gather(*appended, return_exceptions=True):
            if fault is not None:
                raise fault


def _last_of_each_key(variables: Sequence[Variable]) -> Sequence[Variable]:
    """Return the variables in their order, without those that a later one replaces."""
    last = {each.key: number for number, each in enumerate(variables)}
    return [variables[number] for number in sorted(last.values())]


def _not_replaced(
    secrets: Sequence[SealedSecret], variables: Sequence[Variable]
) -> Sequence[SealedSecret]:
    replaced = {each.key for each in variables}
    return [each for each in secrets if each.secret.key not in replaced]


async def permitted(
    catalog: Catalog, analysis: Analysis, secrets: Sequence[SealedSecret]
) -> Sequence[Permit]:
    """Return the permits of those that policies let the analysis access."""
    target, allowed = analysis.tagged, list[Permit]()
    policies = catalog.policies_of(target.profile)
    for first in range(0, len(secrets), _DECIDED_AT_ONCE):
        some = secrets[first : first + _DECIDED_AT_ONCE]
        allowed += permits(policies, target, some)
        await asyncio.sleep(0)
    return allowed


async def _with_values_of(
    released: Sequence[OpenedSecret], variables: Sequence[Variable]
) -> tuple[str, ...]:
    """Say of each variable that has the value of a secret that it is one too many.

    It is said where the script has both: told when the variable is written, it would
    tell those that may not read the secret whether they guessed it.
    """
    remarks = list[str]()
    for each in variables:
        text = str(each.value)
        if len(text) < SHORTEST_COMPARED:
            continue
        # Each is compared: when it ends does not say which secret it was.
        if True in [secret.value.is_same_text(text) for secret in released]:
            remarks.append(
                f"variable {each.key} has the value of a secret that policies release:"
                " remove the variable"
            )
        await asyncio.sleep(0)  # others have their turn
    return tuple(remarks)


def _of(permit: Permit) -> Released:
    secret = permit.sealed.secret
    return Released(secret=secret.id, version=secret.version, policy=permit.policy)


def _denied(
    catalog: Catalog,
    analysis: Analysis,
    secrets: Sequence[SealedSecret],
    permitted: Sequence[Permit],
) -> Iterator[str]:
    """Yield why each of the others is denied; a sentence not taken costs nothing."""
    target, known = analysis.tagged, {permit.sealed.secret.id for permit in permitted}
    policies = catalog.policies_of(target.profile)
    for each in secrets:
        if each.secret.id not in known:
            reason = explain(policies, target, each.secret.tagged).reason
            yield f"secret {each.secret.key} is withheld: {reason}"


def _told(sentences: Iterator[str], count: int) -> tuple[str, ...]:
    """Return the first of so many sentences, and how many more there are."""
    told = tuple(islice(sentences, MOST_TOLD))
    more = count - len(told)
    return (*told, f"and {more} more secrets") if more else told


def _environment(
    opened: Sequence[OpenedSecret],
    variables: Sequence[Variable],
    withheld: tuple[str, ...],
) -> ReleasedEnvironment:
    secrets = ((each.secret.key, each.value) for each in opened)
    return ReleasedEnvironment(
        pairs=(*secrets, *((each.key, each.value) for each in variables)),
        withheld=withheld,
    )
