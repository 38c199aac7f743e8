"""npm: one file of a package, fetched from its archive without installing it."""

import hashlib
import tarfile
from pathlib import Path

from tests.services import debian, program
from tests.services.cache import building
from tests.services.service import Unavailable


def unpack(wanted: str, member: str, file: Path, sha256: str | None = None) -> None:
    """Put a member of the package into `file`, whose folder is then complete.

    Raises Unavailable for an archive that is not the one of this checksum.
    """
    npm = debian.install("npm", package="npm")
    with building(file.parent) as unfinished:
        program.run([npm, "pack", wanted, "--silent"], directory=unfinished)
        (archive,) = unfinished.glob("*.tgz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if sha256 not in (None, found):
            raise Unavailable(f"{wanted} is not what its checksum says")
        with tarfile.open(archive) as files:
            content = files.extractfile(member)
            assert content is not None
            (unfinished / file.name).write_bytes(content.read())
        archive.unlink()
