"""`python -m orchestrator.cli`."""

import sys

from orchestrator.cli import app

sys.exit(app())
