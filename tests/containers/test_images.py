"""What only an image can show: its user, its file system, what it lacks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from containers.composed import image, run, version
from testcontainers.core.container import DockerContainer

pytestmark = pytest.mark.usefixtures("images")

IMAGES = {"submission": "fourones-submission", "aggregation": "fourones-aggregation"}
IMAGES |= {"alerting": "fourones-alerting", "tools": "fourones"}
# None of them is to be found, as a program or as a module.
INSTALLERS = ("pip", "pip3", "uv", "gcc", "cc", "make", "hatchling", "setuptools", "ensurepip", "git", "curl", "wget")


@contextmanager
def a_container(name: str) -> Iterator[DockerContainer]:
    """One that runs as strictly as production does, doing nothing."""
    container = (
        DockerContainer(image(name))
        .with_kwargs(
            entrypoint=["python3", "-c", "import signal; signal.pause()"],
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            network_mode="none",
            init=False,
        )
        .with_tmpfs_mount("/tmp")  # noqa: S108 - of the container
    )
    with container:
        yield container


def said(container: DockerContainer, *command: str) -> str:
    code, output = container.exec(list(command))
    assert code == 0, output.decode()
    return str(output.decode())


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_on_a_file_system_that_it_cannot_write(name: str) -> None:
    looks = """
import os, pathlib, shutil, importlib.util, json, sys
def refused(path):
    try:
        pathlib.Path(path).touch()
    except OSError:
        return True
    return False
found = [name for name in sys.argv[1:] if shutil.which(name) or importlib.util.find_spec(name)]
writable = [str(path) for path in pathlib.Path("/app").rglob("*") if path.stat().st_uid or path.stat().st_mode & 0o22]
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "groups": os.getgroups(),
    "refused": [refused(path + "/x") for path in ("/", "/app", "/app/venv", "/etc", "/var/lib/fourones", "/home")],
    "scratch": not refused("/tmp/x"),
    "found": found,
    "writable": writable,
}))
"""
    with a_container(name) as container:
        told = json.loads(said(container, "python3", "-c", looks, *INSTALLERS))
        assert "Usage: " in said(container, IMAGES[name], "--help")

    assert told == {
        "ids": [10001, 10001],
        "groups": [10001],
        "refused": [True] * 6,
        "scratch": True,
        "found": [],
        "writable": [],
    }


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is_and_how_it_is_started(name: str) -> None:
    [found] = json.loads(run(["docker", "image", "inspect", image(name)]))
    configuration = found["Config"]
    labels = configuration["Labels"]

    assert labels["org.opencontainers.image.title"] == f"fourones-{name}"
    assert labels["org.opencontainers.image.version"] == version()
    assert labels["org.opencontainers.image.revision"] not in {"", "unknown"}
    # By number: Kubernetes' runAsNonRoot cannot look a name up.
    assert configuration["User"] == "10001:10001"
    assert configuration["Entrypoint"] == [IMAGES[name]]
    if name != "tools":
        environment = dict(item.split("=", 1) for item in configuration["Env"])
        assert environment["FOURONES_PORT"] == "8080"
        assert environment["FOURONES_HOST"] == "0.0.0.0"  # noqa: S104 - of the container
        assert list(configuration["ExposedPorts"]) == ["8080/tcp"]
        assert "/healthz" in " ".join(configuration["Healthcheck"]["Test"])


def test_all_images_share_the_layer_of_their_dependencies() -> None:
    layers = [json.loads(run(["docker", "image", "inspect", image(name)]))[0]["RootFS"]["Layers"] for name in IMAGES]
    shared = 0
    for of_each in zip(*layers, strict=False):
        if len(set(of_each)) > 1:
            break
        shared += 1

    # The base, its trimming, the dependencies.
    assert shared >= 3
    assert all(len(own) - shared <= 5 for own in layers)


def test_the_tools_bring_the_catalogue_and_the_load_scenario() -> None:
    with a_container("tools") as container:
        assert "数据字典无误" in said(container, "fourones", "catalogue", "check", "/app/catalogue")
        # As the load Job of deploy/k8s calls it: the image says which file is the scenario.
        assert "CountySystem" in said(container, "locust", "--config", "/app/load/locust.conf", "--list")
