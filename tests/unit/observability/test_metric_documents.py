"""Documents about the metrics, compared with what is exported."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric

from keyrelay.api.installation_gauges import InstallationGauges
from keyrelay.observability.request_metrics import (
    new_api_observability,
    new_request_metrics,
)
from keyrelay.observability.run_metrics import RunMetrics
from keyrelay.services.installation_status import (
    AuditStatus,
    Disk,
    InstallationStatus,
    QueueDepth,
)
from keyrelay.services.key_status import KeyStatus
from keyrelay.stores.audit.verification import Tally
from tests.samples import NOON
from tests.unit.observability.observed import Queue, observability

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "metrics.md"
RULES = ROOT / "deploy" / "prometheus" / "keyrelay.rules.yaml"
SUFFIXES = {"counter": "_total", "info": "_info"}
_NAME = re.compile(r"\bkeyrelay_\w+")
_LABELS = re.compile(r"(keyrelay_\w+)\{([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    name: str
    expression: str
    severity: str
    annotations: Mapping[str, str]


STATUS = InstallationStatus(
    workers=(),
    run_hosts=(),
    queue=QueueDepth(waiting=1, held=0, oldest=NOON),
    keys=KeyStatus(sealed=None, keys=(), paused={}, examination=None),
    audit=AuditStatus(extent=Tally(), verified=None),
    disk=Disk(total=2, free=1, database=None, queue=None),
)


@pytest.fixture
async def families() -> Sequence[Metric]:
    """Every metric of a worker whose components were checked, and of an API process."""
    seen = observability(Queue())
    await seen.readiness.refresh()
    metrics = new_request_metrics([("GET", "/info")], ["malformed"])
    api = new_api_observability(metrics, seen.readiness, NOON, lambda: 0)
    gauges = InstallationGauges(status=STATUS, now=NOON)
    return [
        family
        for collected in (
            seen.registry.collect(),
            api.registry.collect(),
            gauges.collect(),
            RunMetrics(place="hosted").collect(),
        )
        for family in collected
        if family.name.startswith("keyrelay_")
    ]


def labels(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def alerts() -> Sequence[Alert]:
    document = yaml.safe_load(RULES.read_text())
    return [
        Alert(
            name=rule["alert"],
            expression=rule["expr"],
            severity=rule["labels"]["severity"],
            annotations=rule["annotations"],
        )
        for group in document["groups"]
        for rule in group["rules"]
    ]


def test_the_tables_of_metrics_are_what_is_exported(
    families: Sequence[Metric],
) -> None:
    written = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| `keyrelay_")
    ]

    assert written == [
        [
            family.name + SUFFIXES.get(family.type, ""),
            family.type,
            ", ".join(sorted(labels(family))),
            family.documentation,
        ]
        for family in families
    ]


def test_an_alert_names_only_metrics_that_there_are(families: Sequence[Metric]) -> None:
    known = {sample.name for family in families for sample in family.samples}

    named = {name for alert in alerts() for name in _NAME.findall(alert.expression)}

    assert named
    assert named <= known


def test_an_alert_selects_only_labels_that_a_metric_has(
    families: Sequence[Metric],
) -> None:
    known = {
        (sample.name, label, value)
        for family in families
        for sample in family.samples
        for label, value in sample.labels.items()
    }
    selected = {
        (name, label, value)
        for alert in alerts()
        for name, selectors in _LABELS.findall(alert.expression)
        for label, value in re.findall(r'(\w+)!?="([^"]*)"', selectors)
    }

    assert selected
    assert selected <= known


def test_an_alert_has_a_severity_and_a_remedy() -> None:
    names = [alert.name for alert in alerts()]

    assert len(set(names)) == len(names)
    for alert in alerts():
        assert alert.severity in {"critical", "warning"}
        assert set(alert.annotations) == {"summary", "description"}


def test_the_documents_name_only_metrics_that_there_are(
    families: Sequence[Metric],
) -> None:
    known = {family.name + SUFFIXES.get(family.type, "") for family in families}
    texts = [DOCUMENT.read_text(), *(str(each.annotations) for each in alerts())]

    assert {name for text in texts for name in _NAME.findall(text)} <= known
