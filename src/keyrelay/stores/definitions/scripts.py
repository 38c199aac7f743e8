"""Scripts: the contents of versions, each in a row of its own.

A list of analyses reads none of them. Such a row is not authenticated itself: the row
of its analysis, which is, has the digest.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.documents import InvalidDefinition
from keyrelay.model.uploaded_script import ScriptVersion
from keyrelay.stores.definitions.script_rows import versions_of
from keyrelay.stores.rows import rows_of
from keyrelay.stores.schema.tables import analyses, scripts
from keyrelay.stores.unreadable import AnyRow


async def keep_script(
    connection: AsyncConnection,
    analysis: str,
    versions: Sequence[ScriptVersion],
    content: bytes,
) -> None:
    """Keep the content of the last of an analysis' versions.

    Those before it that had the same content, and were altered, have it again. Contents
    that no version lists are removed.
    """
    await _remove_unlisted(connection, analysis, versions)
    kept = scripts.c.analysis == analysis
    same = {each.number for each in versions if each.digest == versions[-1].digest}
    whole = select(scripts.c.version).where(kept, scripts.c.content == content)
    lost = sorted(same - {*await connection.scalars(whole)})
    await connection.execute(delete(scripts).where(kept, scripts.c.version.in_(lost)))
    for number in lost:
        row = {"analysis": analysis, "version": number, "content": content}
        await connection.execute(insert(scripts).values(row))


async def remove_unlisted(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Remove the contents that no version of these analyses lists."""
    async for row in rows_of(connection, analyses, ids):
        try:
            versions = versions_of(row.versions)
        except InvalidDefinition:
            continue  # nothing of it is used
        await _remove_unlisted(connection, row.id, versions)


async def read_script(
    connection: AsyncConnection, analysis: str, version: ScriptVersion
) -> bytes | None:
    """Return the content; None, it is gone, or is not what was uploaded."""
    kept = (scripts.c.analysis == analysis, scripts.c.version == version.number)
    content = await connection.scalar(select(scripts.c.content).where(*kept))
    is_whole = isinstance(content, bytes) and version.is_of(content)
    return content if is_whole else None


async def scripts_flaw(connection: AsyncConnection, row: AnyRow) -> str | None:
    """Say which contents of an analysis are not what was uploaded; None, all are.

    Raises InvalidDefinition for a list of versions that cannot be read.
    """
    versions = versions_of(row.versions)
    altered = [
        version.number
        for version in versions
        if await read_script(connection, row.id, version) is None
    ]
    unlisted = select(scripts.c.version).where(_unlisted(row.id, versions))
    put_in = sorted(await connection.scalars(unlisted))
    flaws = [
        f"its script was altered outside Keyrelay: version {_list(altered)};"
        " upload the same again",
        f"a script was put in outside Keyrelay: version {_list(put_in)}",
    ]
    found = zip((altered, put_in), flaws, strict=True)
    return "; ".join(flaw for numbers, flaw in found if numbers) or None


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


async def _remove_unlisted(
    connection: AsyncConnection, analysis: str, versions: Sequence[ScriptVersion]
) -> None:
    await connection.execute(delete(scripts).where(_unlisted(analysis, versions)))


def _unlisted(analysis: str, versions: Sequence[ScriptVersion]) -> ColumnElement[bool]:
    listed = [each.number for each in versions]
    return and_(scripts.c.analysis == analysis, scripts.c.version.not_in(listed))
