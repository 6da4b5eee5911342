"""Coverage-guided fuzzing with atheris: `python -m tests.fuzz [TARGET …] --seconds 60` (also `make fuzz`).

Inputs that fail are written to tests/fuzz/findings/TARGET/; test_findings.py runs them again for ever after.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"
WATCHED = ["orchestrator", "PIL", "pydantic_settings", "google.protobuf.text_format"]
TEXT = ("settings", "address", "config_pbtxt")
MEMORY_MB, ONE_RUN_S, MAX_BYTES = 3072, 20, 16_384


def fuzz(name: str, corpus: Path, findings: Path, seconds: int) -> int:
    """Fuzz one target in a process of its own; returns its exit status."""
    from tests.fuzz.targets import seeds

    for seed, data in seeds(name).items():
        (corpus / seed).write_bytes(data)
    limits = [f"-max_total_time={seconds}", f"-timeout={ONE_RUN_S}", f"-rss_limit_mb={MEMORY_MB}"]
    argv = [sys.executable, "-m", "tests.fuzz", "--run", name, *limits, f"-max_len={MAX_BYTES}"]
    argv += ["-only_ascii=1"] if name in TEXT else []
    argv += [f"-artifact_prefix={findings}/", "-print_final_stats=1", str(corpus)]
    env = os.environ | {"TMPDIR": str(corpus.parent)}  # libFuzzer exits without cleaning up
    done = subprocess.run(argv, env=env, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    counts = [line for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    runs = counts[0].split()[-1] if counts else "?"
    print(f"{name}: {runs} runs, {'an input fails' if done.returncode else 'ok'}")
    if done.returncode:
        print("\n".join(done.stderr.splitlines()[-40:]))
    return done.returncode


def run(name: str, argv: list[str]) -> None:
    """In the child: everything that is imported from now on reports its coverage to the fuzzer."""
    import atheris

    with atheris.instrument_imports(include=WATCHED):
        from tests.fuzz import targets
    target = targets.planted if name == "planted" else targets.TARGETS[name]
    if name == "last_event_id":
        targets.a_redis()
    atheris.instrument_func(target)
    atheris.Setup([sys.argv[0], *argv], target)
    atheris.Fuzz()


def main() -> int:
    """Fuzz each target for `--seconds`."""
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], sys.argv[3:])
        return 0
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--findings", type=Path, default=FINDINGS)
    options = parser.parse_args()
    if unknown := set(options.targets) - {*TARGETS, "planted"}:
        parser.error(f"no target {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    bad = 0
    for name in options.targets:
        (options.findings / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="irisvue-fuzz-") as folder:
            (corpus := Path(folder) / "corpus").mkdir()
            bad |= fuzz(name, corpus, options.findings / name, options.seconds)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
