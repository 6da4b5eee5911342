"""Who reaches whom: a connection tried from inside each container."""

import json

from tests.containers.installation import Installation

PROGRAM = """
import json, socket, sys
reached = []
for name, address, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((address, port), 1).close()
        reached.append(name)
    except OSError:
        pass
way_out = any(line.split()[1] == "00000000" for line in open("/proc/net/route").readlines()[1:])
print(json.dumps({"reached": sorted(set(reached)), "way_out": way_out}))
"""
# What listens, and who may reach it: the parts that need it, and what shares their network.
DATA = {"postgres", "redis", "s3", "api", "worker"}
MAY_REACH = {
    ("postgres", 5432): DATA,
    ("redis", 6379): DATA,
    ("s3", 9333): DATA,  # the master's port; the filer's is in the same networks
    ("triton", 8001): {"triton", "worker"},
    ("triton", 8002): {"triton", "prometheus", "api", "worker"},
    ("worker", 9100): DATA | {"triton", "prometheus"},
}
NO_WAY_OUT = {"postgres", "redis", "triton"}


def addresses(installation: Installation, service: str) -> list[str]:
    """The service's addresses, one in each of its networks."""
    name = installation.engine.container(service)
    networks = json.loads(installation.engine("inspect", "-f", "{{json .NetworkSettings.Networks}}", name))
    return [network["IPAddress"] for network in networks.values()]


def look_from(installation: Installation, service: str) -> tuple[set[tuple[str, int]], bool]:
    """What of MAY_REACH a service reaches, at any address, and whether it has a way out of this machine."""
    tried = [
        (f"{other}:{port}", address, port) for other, port in MAY_REACH for address in addresses(installation, other)
    ]
    said = json.loads(installation.engine.inside(installation.engine.container(service), PROGRAM, json.dumps(tried)))
    reached = {(name.partition(":")[0], int(name.partition(":")[2])) for name in said["reached"]}
    return reached, bool(said["way_out"])
