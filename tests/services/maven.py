"""Maven: the jars that a pom names, and all that they need."""

from pathlib import Path

from tests.services import debian, program


def copy_jars(pom: Path, into: Path, *properties: str) -> None:
    """Fetch them into a folder, for the Java that is then here, too."""
    debian.install("java", package="default-jre-headless")
    maven = debian.install("mvn", package="maven")
    target = f"-DoutputDirectory={into}"
    copy = ["dependency:copy-dependencies", *properties, target]
    program.run([maven, "-q", "-B", "-f", pom, *copy])
