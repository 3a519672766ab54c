"""The Kubernetes example: valid for the API, and true to what the server and the image are."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from coexistence import settings
from coexistence.authentication import configuration
from profile_store import endpoints

pytestmark = pytest.mark.deployment

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "examples" / "kubernetes"
CONTAINERFILE = (CHECKOUT / "Containerfile").read_text(encoding="utf-8")
OLDEST_KUBERNETES, NEWEST_KUBERNETES = "1.30", "1.36"


def load(file: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load((FOLDER / file).read_text("utf-8"))
    return found


FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
MANIFESTS = {file: load(file) for file in FILES if file != "kustomization.yaml"}
PODS = {
    kind: manifest["spec"]["template"]
    for manifest in MANIFESTS.values()
    if (kind := manifest["kind"]) in ("Deployment", "Job")
}
CONTAINERS = {
    container["name"]: container
    for pod in PODS.values()
    for container in [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
}
SERVER = CONTAINERS["server"]
ENDPOINTS = MANIFESTS["configmap.yaml"]["data"]["endpoints.yml"]
SECRET = MANIFESTS["secret.example.yaml"]["stringData"]


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, NEWEST_KUBERNETES])
@pytest.mark.parametrize("file", MANIFESTS)
def test_a_manifest_is_valid(file: str, version: str) -> None:
    import kubernetes_validate  # of requirements/tools.txt, which `make test` does without

    kubernetes_validate.validate(MANIFESTS[file], version, strict=True)


def test_an_invalid_manifest_is_noticed() -> None:
    import kubernetes_validate

    manifest = {**MANIFESTS["service.yaml"], "spce": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, NEWEST_KUBERNETES, strict=True)


def test_all_is_applied_but_the_example_of_the_secret() -> None:
    applied = load("kustomization.yaml")["resources"]
    assert sorted(applied) == sorted(set(MANIFESTS) - {"secret.example.yaml"})
    assert not any(SECRET.values())  # nobody is to run with a secret that is public


# Pods


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_a_pod_has_no_privileges(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    (user, group) = re.findall(r"^USER (\d+):(\d+)$", CONTAINERFILE, re.MULTILINE)[0]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(group),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_a_container_has_no_privileges_and_a_root_that_cannot_be_written(
    container: dict[str, Any],
) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


def test_all_containers_run_one_release_and_the_migration_has_its_name() -> None:
    (image,) = {container["image"] for container in CONTAINERS.values()}
    release = image.rpartition(":")[2]
    job = MANIFESTS["migration.yaml"]["metadata"]["name"]
    assert job.endswith(f"-{release.replace('.', '-')}")


def test_selectors_choose_the_servers_and_not_the_migration() -> None:
    server, migration = (PODS[kind]["metadata"]["labels"].items() for kind in ("Deployment", "Job"))
    chosen = [
        MANIFESTS["deployment.yaml"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["service.yaml"]["spec"]["selector"],
        MANIFESTS["disruption.yaml"]["spec"]["selector"]["matchLabels"],
    ]
    for labels in chosen:
        assert labels.items() <= server
        assert not labels.items() <= migration
    policy = MANIFESTS["network.yaml"]["spec"]["podSelector"]["matchLabels"].items()
    assert policy <= server
    assert policy <= migration


def test_there_are_two_and_one_stays_when_nodes_are_emptied() -> None:
    assert MANIFESTS["deployment.yaml"]["spec"]["replicas"] == 2
    assert MANIFESTS["disruption.yaml"]["spec"]["minAvailable"] == 1


# Settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The variables of the server's container, and its endpoints file, as the pod has them."""
    for variable in list(os.environ):
        if variable.startswith((endpoints.ENV_PREFIX, "ACTION_")):
            monkeypatch.delenv(variable)
    for variable in SERVER["env"]:
        key = variable["valueFrom"]["secretKeyRef"]["key"]
        assert key in SECRET
        made = base64.urlsafe_b64encode(key.encode().ljust(32)).decode()
        monkeypatch.setenv(variable["name"], made)
    file = tmp_path / "endpoints.yml"
    file.write_text(ENDPOINTS, encoding="utf-8")
    return file


def test_its_settings_can_be_loaded(environment: Path) -> None:
    config = settings.load(environment)
    assert config.sqlalchemy_url().get_backend_name() == "postgresql"
    assert len(config.secret_keys()) == 1
    assert config.metrics


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_has_the_variables_and_the_files_that_its_settings_name(
    container: dict[str, Any],
) -> None:
    section = YAML(typ="safe", pure=True).load(ENDPOINTS)
    asked = ENDPOINTS if container is SERVER else str(section["profile_store"])
    named = set(re.findall(r"\$\{(\w+)\}", asked))
    assert named <= {variable["name"] for variable in container["env"]}
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "settings"]
    for file in (section["profile_store"]["query"]["sslrootcert"], container_endpoints(container)):
        assert file.rpartition("/")[0] == mount["mountPath"]


def container_endpoints(container: dict[str, Any]) -> str:
    (file,) = re.findall(r"--endpoints ([^\s;]+)", " ".join(container["command"]))
    return str(file)


def test_the_files_of_the_settings_are_there() -> None:
    for pod in PODS.values():
        (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "settings"]
        configmap, secret = volume["projected"]["sources"]
        assert configmap["configMap"]["name"] == MANIFESTS["configmap.yaml"]["metadata"]["name"]
        assert secret["secret"]["name"] == MANIFESTS["secret.example.yaml"]["metadata"]["name"]
        assert secret["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
        assert "ca.crt" in SECRET


def test_rasa_and_prometheus_are_let_in(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endpoints.ENDPOINTS_VARIABLE, str(environment))
    assert len(configuration.sent_by_rasa()) == 1
    assert len(configuration.load(settings.load())) == 2


# What the server is


def test_the_server_is_started_as_the_image_starts_it() -> None:
    (shown,) = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    command = YAML(typ="safe", pure=True).load(shown)
    assert SERVER["command"][: len(command)] == command
    assert SERVER["command"][len(command)] == "--endpoints"


def test_ports_are_those_of_the_command_and_of_the_url_that_rasa_calls() -> None:
    port = int(SERVER["command"][SERVER["command"].index("--port") + 1])
    assert [each["containerPort"] for each in SERVER["ports"]] == [port]
    (service,) = MANIFESTS["service.yaml"]["spec"]["ports"]
    assert service["targetPort"] == SERVER["ports"][0]["name"]
    name = MANIFESTS["service.yaml"]["metadata"]["name"]
    url = YAML(typ="safe", pure=True).load(ENDPOINTS)["action_endpoint"]["url"]
    assert url == f"http://{name}:{service['port']}/webhook"
    (rule,) = MANIFESTS["network.yaml"]["spec"]["ingress"]
    assert [each["port"] for each in rule["ports"]] == [port]
    assert f"EXPOSE {port}\n" in CONTAINERFILE


def test_probes_ask_what_is_open_and_does_not_depend_on_the_database() -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert SERVER[probe]["httpGet"] == {"path": "/health", "port": SERVER["ports"][0]["name"]}


def test_its_temporary_folder_can_be_written() -> None:
    mounts = {mount["mountPath"]: mount for mount in SERVER["volumeMounts"]}
    assert not mounts["/tmp"].get("readOnly")
    volumes = {volume["name"]: volume for volume in PODS["Deployment"]["spec"]["volumes"]}
    assert "emptyDir" in volumes[mounts["/tmp"]["name"]]


@pytest.mark.parametrize("name", ["migration", "tables"])
def test_a_command_of_ours_is_one(name: str, tmp_path: Path) -> None:
    """Run as the pod runs it, on SQLite: a database that has tables when `migration` has run."""
    file = tmp_path / "endpoints.yml"
    file.write_text(f"profile_store: {{db: {tmp_path}/profiles.db}}\n", encoding="utf-8")
    programs = Path(sys.executable).parent
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(endpoints.ENV_PREFIX)
    }
    variables["PATH"] = f"{programs}{os.pathsep}{variables['PATH']}"

    def run(container: str) -> subprocess.CompletedProcess[str]:
        command = [
            part.replace(container_endpoints(CONTAINERS[container]), str(file)).replace(
                "sleep 5", "exit 7"
            )
            for part in CONTAINERS[container]["command"]
        ]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    if name == "tables":
        waited = run("tables")
        assert waited.returncode == 7, waited.stderr
        assert "run: coexist db upgrade" in waited.stderr
    assert run("migration").returncode == 0
    assert run("tables").returncode == 0
