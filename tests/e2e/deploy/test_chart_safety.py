"""What the chart runs may do little, and holds no secret that Kubernetes shows."""

import subprocess
from pathlib import Path

import pytest
import yaml

from keyrelay.vault.providers import file
from tests.e2e.deploy import chart
from tests.e2e.deploy.chart import Document, Release
from tests.services.helm import Helm

KEY = "KEYRELAY-KEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
# Of the Pod Security Standard "restricted", with nothing from the host.
SECRETS = {"KEYRELAY_KEY", "KEYRELAY_DATABASE", "KEYRELAY_KAFKA_PASSWORD"}
VOLUMES = {"emptyDir", "projected", "persistentVolumeClaim"}


def test_pods_meet_the_restricted_standard(release: Release) -> None:
    for pod in release.pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert all(each.keys() - {"name"} <= VOLUMES for each in spec["volumes"])
    for container in release.containers():
        context = container["securityContext"]
        assert context["privileged"] is False
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_every_container_has_its_bounds(release: Release) -> None:
    for container in release.containers():
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_nothing_holds_a_token_of_the_cluster(release: Release) -> None:
    (account,) = release.all("ServiceAccount")

    assert account["automountServiceAccountToken"] is False
    for pod in release.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_secrets_are_named_and_never_told(release: Release) -> None:
    assert not release.all("Secret")
    assert not release.all("ConfigMap")
    for container in release.containers():
        for variable in container.get("env", []):
            secret = variable["name"] in SECRETS
            assert ("secretKeyRef" in variable.get("valueFrom", {})) == secret


def test_files_of_secrets_become_the_owners_alone(
    everything: Release, tmp_path: Path
) -> None:
    """As Kubernetes lays them out: links into a folder of another user's."""
    (files,) = everything.one("Job", "-prepare")["spec"]["template"]["spec"][
        "initContainers"
    ][:1]
    laid = tmp_path / "secrets" / "..data"
    laid.mkdir(parents=True)
    (tmp_path / "run" / "keyrelay").mkdir(parents=True)
    for name, text in {"key": KEY, "kafka-password": "hunter2"}.items():
        (laid / name).write_text(text)
        (laid / name).chmod(0o440)
        (tmp_path / "secrets" / name).symlink_to(Path("..data") / name)
    *options, key, password = files["command"]
    options[-1] = options[-1].replace("=/run", f"={tmp_path}/run")

    subprocess.run([*options, f"{tmp_path}{key}", f"{tmp_path}{password}"], check=True)

    assert file.load(tmp_path / "run" / "keyrelay" / "key").id
    copied = tmp_path / "run" / "keyrelay" / "kafka-password"
    assert copied.stat().st_mode & 0o777 == 0o400
    assert copied.read_text() == "hunter2"


def test_a_service_of_the_same_name_gives_no_unknown_settings(
    release: Release,
) -> None:
    for pod in release.pods():
        assert pod["spec"]["enableServiceLinks"] is False


def test_workers_go_only_where_their_work_is(everything: Release) -> None:
    policy = everything.one("NetworkPolicy", "cold-chain")["spec"]
    ports = [port["port"] for way in policy["egress"] for port in way["ports"]]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    # 9092 and 587 are listed; the others are what these values name.
    assert sorted(set(ports)) == [53, 443, 587, 2587, 5432, 9092, 9093]


@pytest.mark.parametrize(
    ("values", "opened"),
    [
        ({"kafka": {"bootstrap": "a:19092,b:29092"}}, {19092, 29092}),
        ({"settings": {"smtp_ports": "465, 2525"}}, {465, 2525}),
        ({"settings": {"sqs_endpoints": "http://sqs:9324"}}, {9324}),
        (
            {"settings": {"sqs_endpoints": "http://sqs,https://[fd00::1]:8443"}},
            {80, 8443},
        ),
        ({"networkPolicy": {"egress": {"database": {"ports": [6432]}}}}, {6432}),
    ],
)
def test_a_port_that_the_values_name_is_open(
    helm: Helm, tmp_path: Path, values: Document, opened: set[int]
) -> None:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(values))

    policy = chart.release(helm, [given]).one("NetworkPolicy", "relay-keyrelay")

    ports = {each["port"] for way in policy["spec"]["egress"] for each in way["ports"]}
    assert ports >= opened


def test_the_preparation_has_a_policy_of_its_own_before_it(
    everything: Release,
) -> None:
    """On an upgrade the release's own is still the old one, with its ports."""
    policy = everything.one("NetworkPolicy", "-prepare")
    labels = everything.one("Job", "-prepare")["spec"]["template"]["metadata"]["labels"]
    selectors = {
        each["metadata"]["name"]: each["spec"]["podSelector"]["matchLabels"]
        for each in everything.all("NetworkPolicy")
    }
    hook = policy["metadata"]["annotations"]

    found = [name for name, each in selectors.items() if each.items() <= labels.items()]
    assert found == [policy["metadata"]["name"]]
    assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(hook["helm.sh/hook-weight"]) < 0
    ways = policy["spec"]["egress"]
    ports = {each["port"] for way in ways for each in way["ports"]}
    assert ports == {53, 5432, 9092, 9093}


@pytest.mark.parametrize("port", [443, 587])
def test_the_way_outside_does_not_lead_to_the_nodes_credentials(
    everything: Release, port: int
) -> None:
    policy = everything.one("NetworkPolicy", "cold-chain")["spec"]
    (way,) = [each for each in policy["egress"] if each["ports"][0]["port"] == port]

    for peer in way["to"]:
        assert peer["ipBlock"]["except"]


def test_callers_reach_the_api_and_monitoring_its_probes(everything: Release) -> None:
    policy = everything.one("NetworkPolicy", "-api")["spec"]
    callers, monitoring = policy["ingress"]

    assert callers["ports"] == [{"port": "api", "protocol": "TCP"}]
    assert callers["from"] == [{"podSelector": {}}]
    assert monitoring["ports"] == [{"port": "probes", "protocol": "TCP"}]
    (peer,) = monitoring["from"]
    assert peer.keys() == {"namespaceSelector"}


def test_only_monitoring_reaches_a_worker_and_only_its_probes(
    everything: Release,
) -> None:
    policy = everything.one("NetworkPolicy", "-worker")["spec"]
    (way,) = policy["ingress"]

    assert way["ports"] == [{"port": "probes", "protocol": "TCP"}]
    (peer,) = way["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"
    }
