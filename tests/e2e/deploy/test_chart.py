"""The chart renders to what Kubernetes takes, and refuses values that make no sense."""

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from keyrelay import __version__
from keyrelay.app.settings import Settings
from tests.e2e.deploy import chart
from tests.e2e.deploy.chart import CHART, INSTALLATIONS, Document
from tests.services.helm import Helm, Refused

SCHEMAS = {
    file.stem: json.loads(file.read_text())
    for file in (Path(__file__).parent / "schemas").glob("*.json")
}
# Those for which the chart has values of other names, or a place of its own.
NOT_IN_SETTINGS = {
    *("home", "database", "queue", "key", "key_file", "probes", "grace_seconds"),
    *("kafka_tls", "kafka_ca_file", "kafka_mechanism", "kafka_username"),
    *("kafka_password", "kafka_password_file", "kafka_member", "smtp_ca_file"),
    *("api", "api_url", "api_tls_certificate", "api_tls_key"),
    *("api_trusted_proxies", "api_insecure"),
    # No sandbox can be made in its pods, so that they host no scripts.
    *("analyses", "api_ca_file", "script_lanes", "script_network", "script_seconds"),
}
NONSENSE: dict[str, tuple[Document, str]] = {
    "an unknown value": ({"worker": {"replica": 3}}, "replica"),
    "an unknown setting": ({"settings": {"lane": 3}}, "lane"),
    "a setting out of bounds": ({"settings": {"lanes": 0}}, "lanes"),
    "a password": ({"kafka": {"login": {"password": "hunter2"}}}, "password"),
    "a database's URL": ({"secrets": {"database": {"url": "postgresql:"}}}, "url"),
    "a login without a name": (
        {"kafka": {"login": {"mechanism": "SCRAM-SHA-512"}}},
        "username",
    ),
    "a name without a login": ({"kafka": {"login": {"username": "bob"}}}, "username"),
    "a plain login in clear": (
        {"kafka": {"login": {"mechanism": "PLAIN", "username": "bob"}}},
        "tls",
    ),
    "a broker without a port": ({"kafka": {"bootstrap": "kafka"}}, "bootstrap"),
    "scaling to nothing": ({"autoscaling": {"minReplicas": 0}}, "minReplicas"),
    "scaling by nothing": (
        {"autoscaling": {"enabled": True, "lag": {"enabled": False}}},
        "autoscaling",
    ),
    "fewer replicas at most than at least": (
        {"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 3}},
        "maxReplicas",
    ),
    "a worker without bounds": (
        {"worker": {"resources": {"limits": None}}},
        "limits",
    ),
    "an API in clear": ({"api": {"enabled": True}}, "api.tls.secret"),
    "a URL with a path": ({"api": {"url": "https://a.example.com/b/"}}, "url"),
    "an API open to all": ({"networkPolicy": {"api": []}}, "api"),
    "metrics open to all": ({"networkPolicy": {"monitoring": []}}, "monitoring"),
    "an image by half a digest": ({"image": {"digest": "sha256:12"}}, "digest"),
    "a budget that forbids all": (
        {"disruptionBudget": {"maxUnavailable": 0}},
        "maxUnavailable",
    ),
}


@pytest.mark.parametrize("values", INSTALLATIONS.values(), ids=INSTALLATIONS)
def test_the_chart_passes_its_linter(helm: Helm, values: Sequence[Path]) -> None:
    assert "0 chart(s) failed" in helm.lint(CHART, values)


@pytest.mark.parametrize("values", INSTALLATIONS.values(), ids=INSTALLATIONS)
def test_kubernetes_and_its_operators_take_every_manifest(
    each_helm: Helm, values: Sequence[Path]
) -> None:
    release = chart.release(each_helm, values)

    for manifest in release.manifests:
        schema = SCHEMAS.get(manifest["kind"].lower())
        if schema is None:
            kubernetes_validate.validate(manifest, each_helm.kubernetes, strict=True)
        else:
            jsonschema.validate(manifest, schema)


def test_what_is_switched_on_is_there(everything: chart.Release) -> None:
    assert {each["kind"] for each in everything.manifests} == {
        *("Deployment", "Service", "ServiceAccount", "Job"),
        *("PodDisruptionBudget", "NetworkPolicy"),
        *("ScaledObject", "TriggerAuthentication", "ServiceMonitor"),
    }


def test_what_is_switched_off_is_not_there(helm: Helm) -> None:
    least = chart.release(helm, INSTALLATIONS["least"])

    assert {each["kind"] for each in least.manifests} == {
        *("Deployment", "Service", "ServiceAccount"),
    }


@pytest.mark.parametrize(("values", "named"), NONSENSE.values(), ids=NONSENSE)
def test_values_that_make_no_sense_are_refused(
    helm: Helm, tmp_path: Path, values: Document, named: str
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))

    with pytest.raises(Refused, match=named):
        helm.template(CHART, [file])


def test_chart_and_product_have_one_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert about["version"] == about["appVersion"] == __version__


def test_the_chart_takes_the_settings_that_the_product_has() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = schema["properties"]["settings"]["properties"].keys()

    assert settings == Settings.model_fields.keys() - NOT_IN_SETTINGS


def test_every_value_has_a_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    jsonschema.validate(values, schema)
    assert values.keys() == schema["properties"].keys() - {"global"}
