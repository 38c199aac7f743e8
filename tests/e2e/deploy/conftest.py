"""Fixtures: Helm, and the chart as each kind of installation renders it."""

from pathlib import Path

import pytest
import yaml
from kubernetes_validate import latest_version

from tests.e2e.deploy import chart
from tests.e2e.deploy.chart import CHART, INSTALLATIONS, Release
from tests.services.helm import Helm


def oldest() -> str:
    """Return the oldest version of Kubernetes that the chart claims to run on."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return str(about["kubeVersion"]).removeprefix(">=").removesuffix("-0")


@pytest.fixture(
    scope="session",
    params=[oldest(), latest_version()],
    ids=["oldest Kubernetes", "newest Kubernetes"],
)
def each_helm(helm_program: Path, request: pytest.FixtureRequest) -> Helm:
    return Helm(program=helm_program, kubernetes=request.param)


@pytest.fixture(scope="session")
def helm(helm_program: Path) -> Helm:
    return Helm(program=helm_program, kubernetes=oldest())


@pytest.fixture(scope="session", params=INSTALLATIONS)
def release(helm: Helm, request: pytest.FixtureRequest) -> Release:
    return chart.release(helm, INSTALLATIONS[request.param])


@pytest.fixture(scope="session")
def everything(helm: Helm) -> Release:
    return chart.release(helm, INSTALLATIONS["everything"])
