"""What the chart runs works: settings, probes, scaling and rolling fit together."""

from datetime import timedelta

import pytest

from keyrelay.app.settings import Settings
from keyrelay.app.settings_loading import load_settings
from keyrelay.sources.kafka.connecting.address import parse_address
from tests.e2e.deploy import chart
from tests.e2e.deploy.chart import INSTALLATIONS, Document, Release, variables
from tests.services.helm import Helm

DATABASE = "postgresql://keyrelay:hunter2@postgres/keyrelay"


def test_every_container_is_given_settings_that_make_sense(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for container in release.containers():
        if "env" in container:
            settings = settings_of(container, monkeypatch)
            assert settings.database_url == DATABASE
            assert str(settings.key_path) == "/run/keyrelay/key"
            assert parse_address(settings.queue_url)


def test_values_arrive_as_settings(
    everything: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(everything.worker(), monkeypatch)

    address = parse_address(settings.queue_url)
    assert address.brokers == ("kafka-0.kafka:9093", "kafka-1.kafka:9093")
    assert (address.topic, address.group) == ("cold-chain.triggers", "cold-chain")
    assert settings.kafka_tls
    assert settings.kafka_mechanism == "SCRAM-SHA-512"
    assert settings.lanes == 64
    assert settings.deduplication_hours == 0.5
    assert settings.smtp_ports == (587, 2587)
    assert settings.egress_allow == ("10.20.0.0/16", "10.21.0.0/16")


def test_files_that_settings_name_are_mounted(release: Release) -> None:
    for container in release.containers():
        mounted = [each["mountPath"] for each in container["volumeMounts"]]
        for name, value in variables(container).items() if "env" in container else ():
            if name.endswith("_FILE") or name == "KEYRELAY_HOME":
                assert any(value.startswith(path) for path in mounted), name


def test_probes_ask_the_port_that_the_settings_name(release: Release) -> None:
    for each in release.running():
        ports = {port["name"]: port["containerPort"] for port in each["ports"]}

        assert variables(each)["KEYRELAY_PROBES"] == f"0.0.0.0:{ports['probes']}"
        asked = {
            kind: each[kind]["httpGet"]
            for kind in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert {get["port"] for get in asked.values()} == {"probes"}
        assert asked["livenessProbe"]["path"] == "/healthz"
        assert asked["readinessProbe"]["path"] == "/readyz"


def test_what_stops_has_longer_than_its_grace(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for deployment in release.all("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        grace = settings_of(container, monkeypatch).grace_seconds

        patience = timedelta(seconds=pod["terminationGracePeriodSeconds"])
        assert patience >= timedelta(seconds=grace + 10)


def test_the_api_listens_where_its_service_leads(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in release.running():
        if each["name"] != "api":
            assert "KEYRELAY_API" not in variables(each)
            continue
        settings = settings_of(each, monkeypatch)
        ports = {port["name"]: port["containerPort"] for port in each["ports"]}
        service = release.one("Service", "-api")["spec"]["ports"]

        assert settings.api == f"0.0.0.0:{ports['api']}"
        assert {port["targetPort"] for port in service} == {"api", "probes"}
        assert each["args"] == ["api"]


def test_the_api_has_its_certificate_and_no_other_process_does(
    everything: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(everything.api(), monkeypatch)
    mounts = {
        each["name"]: each["mountPath"] for each in everything.api()["volumeMounts"]
    }
    named = [
        each["metadata"].get("name", "prepare")
        for each in everything.manifests
        if "api-certificate" in str(each)
    ]

    files = (settings.api_tls_certificate, settings.api_tls_key)
    assert [str(each) for each in files] == [
        f"{mounts['api-tls']}/tls.crt",
        f"{mounts['api-tls']}/tls.key",
    ]
    assert settings.api_url == "https://keyrelay.example.com"
    assert settings.api_trusted_proxies == ("10.244.0.0/16", "10.245.0.0/16")
    assert settings.backlog_limit == 100_000
    assert not settings.api_insecure
    assert named == ["cold-chain-api"]


def test_an_api_whose_url_is_not_given_is_reached_by_its_service(
    helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = chart.release(helm, INSTALLATIONS["drain"])
    settings = settings_of(release.api(), monkeypatch)

    service = release.one("Service", "-api")["metadata"]["name"]
    assert settings.api_url == f"http://{service}.mail.svc:8473"
    assert settings.api_insecure


def test_a_new_one_works_before_an_old_one_leaves(release: Release) -> None:
    for deployment in release.all("Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {
            "maxSurge": 1,
            "maxUnavailable": 0,
        }


def test_the_database_is_brought_up_to_date_before_anything_else(
    everything: Release,
) -> None:
    job = everything.one("Job", "-prepare")
    spec = job["spec"]["template"]["spec"]
    steps = [each.get("args") for each in spec["initContainers"] + spec["containers"]]

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert steps == [
        None,
        ["migrate", "--yes"],
        ["topics", "create", "--yes", "--partitions=24", "--replication=3"],
        ["init", "--no-token"],
    ]
    # Nothing of the release is there when it runs.
    assert "serviceAccountName" not in spec


def test_what_selects_pods_finds_those_of_its_kind(release: Release) -> None:
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in release.all("Deployment")
    }
    selectors = [
        *(
            (each["metadata"]["name"], each["spec"]["selector"]["matchLabels"])
            for kind in ("Deployment", "PodDisruptionBudget")
            for each in release.all(kind)
        ),
        *(
            (each["metadata"]["name"], each["spec"]["selector"])
            for each in release.all("Service")
        ),
    ]

    for name, selector in selectors:
        found = [each for each in labels if selector.items() <= labels[each].items()]
        assert found == [name]


def test_a_selector_does_not_move_with_the_version(release: Release) -> None:
    for deployment in release.all("Deployment"):
        assert deployment["spec"]["selector"]["matchLabels"].keys() == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


def test_who_scales_and_who_deploys_do_not_fight(release: Release) -> None:
    worker = release.one("Deployment", "-worker")
    targets = [
        each["spec"]["scaleTargetRef"]["name"] for each in release.all("ScaledObject")
    ]

    assert targets in ([], [worker["metadata"]["name"]])
    assert ("replicas" in worker["spec"]) == (not targets)


def test_the_scaler_looks_at_what_workers_read(everything: Release) -> None:
    (scaled,) = everything.all("ScaledObject")
    lag, drain = scaled["spec"]["triggers"]

    address = parse_address(variables(everything.worker())["KEYRELAY_QUEUE"])
    assert lag["metadata"]["bootstrapServers"] == ",".join(address.brokers)
    assert lag["metadata"]["consumerGroup"] == address.group
    assert lag["metadata"]["topic"] == address.topic
    assert lag["metadata"]["sasl"] == "scram_sha512"
    assert drain["metricType"] == "Value"
    assert drain["metadata"]["query"] == (
        "max(keyrelay_time_to_drain_seconds"
        '{topic="cold-chain.triggers",namespace="mail"})'
    )


def test_the_scaler_logs_in_as_workers_do(everything: Release) -> None:
    (access,) = everything.all("TriggerAuthentication")
    (scaled,) = everything.all("ScaledObject")
    (name,) = access["spec"]["env"]

    assert (
        scaled["spec"]["triggers"][0]["authenticationRef"]["name"]
        == (access["metadata"]["name"])
    )
    assert name["containerName"] == everything.worker()["name"]
    assert name["name"] in variables(everything.worker())
    assert access["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "kafka-user", "key": "password"},
        {"parameter": "ca", "name": "kafka-cluster-ca-cert", "key": "ca.crt"},
    ]


def test_metrics_are_collected_from_the_probes(everything: Release) -> None:
    assert len(everything.all("ServiceMonitor")) == 2
    for component in ("-worker", "-api"):
        monitor = everything.one("ServiceMonitor", component)
        service = everything.one("Service", component)
        (endpoint,) = monitor["spec"]["endpoints"]

        assert endpoint["path"] == "/metrics"
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        selector = monitor["spec"]["selector"]["matchLabels"]
        assert selector.items() <= service["metadata"]["labels"].items()


def settings_of(container: Document, monkeypatch: pytest.MonkeyPatch) -> Settings:
    with monkeypatch.context() as environment:
        for name, value in variables(container).items():
            environment.setenv(name, value)
        environment.setenv("KEYRELAY_DATABASE", DATABASE)
        return load_settings(None, {})
