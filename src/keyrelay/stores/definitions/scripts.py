"""Scripts: the contents of versions, each in a row of its own.

A list of analyses reads none of them. Such a row is not authenticated itself: the row
of its analysis, which is, has the digest.
"""

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyrelay.model.uploaded_script import ScriptVersion
from keyrelay.stores.definitions.script_rows import versions_of
from keyrelay.stores.schema.tables import scripts
from keyrelay.stores.unreadable import AnyRow


async def keep_script(
    connection: AsyncConnection, analysis: str, version: int, content: bytes
) -> None:
    # An older row of the analysis may have been put back, and been accepted.
    left = (scripts.c.analysis == analysis, scripts.c.version == version)
    await connection.execute(delete(scripts).where(*left))
    row = {"analysis": analysis, "version": version, "content": content}
    await connection.execute(insert(scripts).values(row))


async def read_script(
    connection: AsyncConnection, analysis: str, version: ScriptVersion
) -> bytes | None:
    """Return the content; None, it is gone, or is not what was uploaded."""
    kept = (scripts.c.analysis == analysis, scripts.c.version == version.number)
    content = await connection.scalar(select(scripts.c.content).where(*kept))
    is_whole = isinstance(content, bytes) and version.is_of(content)
    return content if is_whole else None


async def scripts_flaw(connection: AsyncConnection, row: AnyRow) -> str | None:
    """Say which versions of an analysis are not what was uploaded; None, all are.

    Raises InvalidDefinition for a list of versions that cannot be read.
    """
    altered = [
        str(version.number)
        for version in versions_of(row.versions)
        if await read_script(connection, row.id, version) is None
    ]
    if not altered:
        return None
    return f"its script was altered outside Keyrelay: version {', '.join(altered)}"
