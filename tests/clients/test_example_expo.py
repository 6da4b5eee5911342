"""The logic of clients/example-expo: types and tests, with the packages of the TypeScript client alone."""

from orchestrator.config import ROOT
from tests.clients.test_typescript import FOLDER, missing, run

EXAMPLE = ROOT / "clients/example-expo"


def test_its_logic() -> None:
    if not (FOLDER / "node_modules").is_dir():
        missing("the TypeScript client's packages are not installed: make clients (needs Node.js)")
    done = run(["npm", "test", "--silent"], EXAMPLE, NO_COLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
