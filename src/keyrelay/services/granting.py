"""Granting: what an analysis may do over the API, as far as policies allow it.

What no policy can name is not granted at all: api/route.py says which routes those are.
No grant opens a secret.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from keyrelay.model.action import TARGET
from keyrelay.model.catalog import Catalog
from keyrelay.model.policy.kinds import ANALYSIS
from keyrelay.model.policy.policy import allows
from keyrelay.model.policy.reach import Reach, reach_of
from keyrelay.model.secret import RESOURCE
from keyrelay.model.tags import Tagged, Tags
from keyrelay.stores.definitions.listing import Listing

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What `target` may do to things of one kind, by one catalog.

    As the catalog holds only what is vouched for, nothing else is ever granted.
    """

    catalog: Catalog
    target: Tagged
    kind: str
    verb: str

    @property
    def reach(self) -> Reach:
        policies = self.catalog.policies_of(self.target.profile)
        return reach_of(policies, self.target, self.verb, self.kind)

    def permits(self, id_: str) -> bool:
        """Tell whether it may do so to the thing of this id; no, if there is none."""
        thing = _find(self.catalog, self.kind, self.target.profile, id_)
        return thing is not None and self._permits(thing)

    def permits_tagged(self, tags: Tags, id_: str = "") -> bool:
        """Tell whether it may do so to a thing with these tags, new without an id."""
        profile = self.target.profile
        return self._permits(Tagged(kind=self.kind, profile=profile, id=id_, tags=tags))

    def allowing(self, verb: str) -> "Grant":
        """Return what the same catalog lets the target do with another verb."""
        return replace(self, verb=verb)

    def tag_keys(self) -> Sequence[str]:
        """Return the keys of the tags of all that it reaches, each once, sorted."""
        reach = self.reach
        if reach.is_empty:
            return ()
        things = _all(self.catalog, self.kind, self.target.profile)
        reached = filter(reach.includes, things)
        return sorted({tag.key for each in reached for tag in each.tags})

    def _permits(self, thing: Tagged) -> bool:
        policies = self.catalog.policies_of(self.target.profile)
        return allows(policies, self.target, self.verb, thing)


def grant_of(
    catalog: Catalog, profile: str, analysis: str, kind: str, verb: str
) -> Grant | None:
    """Return what policies let the analysis do; None, it is gone."""
    found = catalog.analyses.get((profile, analysis))
    if found is None:
        return None
    target = found.analysis.tagged
    return Grant(catalog=catalog, target=target, kind=kind, verb=verb)


async def granted(
    grant: Grant | None,
    listing: Listing,
    fetch: Callable[[Listing], Awaitable[Sequence[T]]],
    id_of: Callable[[T], str],
) -> Sequence[T]:
    """Return the page of what the grant reaches; of everything without one.

    What was changed while it was read may be missing from the page.
    """
    if grant is None:
        return await fetch(listing)
    reach = grant.reach
    if reach.is_empty:
        return ()
    found = await fetch(replace(listing, reach=reach))
    return [each for each in found if grant.permits(id_of(each))]


def _find(catalog: Catalog, kind: str, profile: str, id_: str) -> Tagged | None:
    of = (profile, id_)
    if kind == RESOURCE:
        sealed = catalog.secrets.get(of)
        return None if sealed is None else sealed.secret.tagged
    if kind == ANALYSIS:
        scripted = catalog.analyses.get(of)
        return None if scripted is None else scripted.analysis.tagged
    action = catalog.actions.get(of) if kind == TARGET else None
    return None if action is None else action.tagged


def _all(catalog: Catalog, kind: str, profile: str) -> Iterator[Tagged]:
    ids = {
        RESOURCE: catalog.secrets,
        ANALYSIS: catalog.analyses,
        TARGET: catalog.actions,
    }
    for of_profile, id_ in ids.get(kind, ()):
        if of_profile == profile:
            thing = _find(catalog, kind, profile, id_)
            if thing is not None:
                yield thing
