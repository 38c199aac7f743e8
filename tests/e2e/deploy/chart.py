"""Chart: the manifests that Helm makes of it, as tests look at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.services.helm import Helm

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "keyrelay"
VALUES = Path(__file__).parent / "values"
# None are the chart's own.
INSTALLATIONS: Mapping[str, tuple[Path, ...]] = {
    "as it is": (),
    **{file.stem: (file,) for file in sorted(VALUES.glob("*.yaml"))},
}

Document = dict[str, Any]  # what stands in a YAML file


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    manifests: Sequence[Document]

    def all(self, kind: str) -> list[Document]:
        return [each for each in self.manifests if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Document:
        """Return the one whose name ends so."""
        (found,) = [
            each for each in self.all(kind) if each["metadata"]["name"].endswith(name)
        ]
        return found

    def pods(self) -> list[Document]:
        """Return the templates of what runs: workers, API, preparation."""
        running = [*self.all("Deployment"), *self.all("Job")]
        return [each["spec"]["template"] for each in running]

    def containers(self) -> Iterator[Document]:
        for pod in self.pods():
            yield from pod["spec"]["initContainers"]
            yield from pod["spec"]["containers"]

    def running(self) -> Iterator[Document]:
        """Yield the containers that stay up: those of workers and API."""
        for deployment in self.all("Deployment"):
            yield from deployment["spec"]["template"]["spec"]["containers"]

    def worker(self) -> Document:
        return self._called("worker")

    def api(self) -> Document:
        return self._called("api")

    def _called(self, name: str) -> Document:
        (container,) = [each for each in self.running() if each["name"] == name]
        return container


def release(helm: Helm, values: Sequence[Path]) -> Release:
    return Release(manifests=documents(helm.template(CHART, values)))


def documents(text: str) -> list[Document]:
    return [each for each in yaml.safe_load_all(text) if each]


def variables(container: Document) -> dict[str, str]:
    """Return the environment's plain values; those of a Secret are left out."""
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}
