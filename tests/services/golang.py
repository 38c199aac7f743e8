"""Go: programs that are built from their sources, of versions pinned with checksums."""

import shutil
from pathlib import Path

from tests.services import debian, program
from tests.services.cache import building

_PINS = Path(__file__).parent / "pins"


def compiler() -> Path:
    """Return the `go` of this machine, installing it if that is needed."""
    return debian.install("go", package="golang-go")


def build(package: str, *, pins: str, target: Path) -> None:
    """Build a package of the module in `pins` into the folder `target`."""
    go = compiler()
    with building(target) as unfinished:
        module = unfinished / "module"
        shutil.copytree(_PINS / pins, module)
        options = ["-mod=readonly", "-buildvcs=false", "-o", str(unfinished)]
        program.run([go, "build", *options, package], directory=module)
