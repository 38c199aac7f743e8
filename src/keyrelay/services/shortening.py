"""Shortening: ids cut as far as each still stands for one thing."""

from collections.abc import Collection, Mapping

from keyrelay.model.ids import LENGTH, Beginnings, is_id
from keyrelay.services.naming import FindIds
from keyrelay.services.paging import in_parts

_STEP = 2
_AT_ONCE = 200  # beginnings in one statement


async def short_ids(
    find: FindIds, profile: str, ids: Collection[str], shortest: int
) -> Mapping[str, str]:
    """Return, for each id that Keyrelay made, a beginning that no other of them has.

    All are cut to one length, of `shortest` characters at least. Ids that producers
    chose are not among them: commands that act take those whole. Raises Unavailable.
    """
    ours = sorted({id_ for id_ in ids if is_id(id_)})
    for length in range(shortest, LENGTH, _STEP):
        cut = {id_: id_[:length] for id_ in ours}
        if len(set(cut.values())) == len(ours) and await _alone(find, profile, cut):
            return cut
    return {id_: id_ for id_ in ours}


async def _alone(find: FindIds, profile: str, cut: Mapping[str, str]) -> bool:
    for some in in_parts(cut.values(), _AT_ONCE):
        found = await find(profile, Beginnings(some, len(some) + 1))
        if not cut.keys() >= set(found):
            return False
    return True
