"""Two installations under the container engine, one after the other: made once for all tests of this folder."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config import ROOT
from tests.containers import images
from tests.containers.engine import Engine, engine
from tests.containers.installation import SECRETS, Installation, checkout, write_env
from tests.containers.person import Person

PORTS = (8000, 8333, 9090)


@pytest.fixture(scope="session")
def containers() -> Engine:
    """The engine, or the reason why there is none. With the images of this working tree."""
    if not os.environ.get("CONTAINERS"):
        pytest.skip("containers are built and run for minutes: make test-containers, or CONTAINERS=1")
    try:
        found = engine()
    except LookupError as error:
        pytest.fail(str(error))
    for port in PORTS:
        with socket.socket() as taken:
            if taken.connect_ex(("127.0.0.1", port)) == 0:
                pytest.fail(f"port {port} of this machine is in use: stop what listens there, and run this again")
    images.build_stand_ins(found)
    return found


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (ROOT / "orchestrator/embedded/sample.jpg").read_bytes()


@pytest.fixture(scope="session")
def installation(containers: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """This working tree's, running; its `.env` has what a person may have typed into it."""
    folder = checkout(tmp_path_factory.mktemp("here") / "irisvue")
    write_env(folder, SECRETS)
    made = Installation(containers, folder)
    made.down()
    images.build_project(containers, folder)
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def person(installation: Installation) -> Person:
    return Person(installation.token())


@pytest.fixture(scope="session")
def older(containers: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout of the last release before this one."""
    commit = last_release()
    if not commit:
        pytest.skip("this checkout has no history: no older release to upgrade from")
    folder = checkout(tmp_path_factory.mktemp("older") / "irisvue", commit)
    dockerfile = folder / "triton.Dockerfile"  # the stand-in has Python 3.11, for which there is no such NumPy
    if containers.podman:
        dockerfile.write_text(dockerfile.read_text().replace("numpy==2.5.5", "numpy==2.4.6"))
    return folder


def last_release() -> str:
    """The newest tag before this commit; before there was one, the last commit without `irisvue models sync`."""
    for argv in (["describe", "--tags", "--abbrev=0", "HEAD^"], ["rev-parse", "--verify", "-q", "1d499a6^{commit}"]):
        found = subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.strip()
    return ""
