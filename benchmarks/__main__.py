"""`python -m benchmarks [NAME…]`: measure, write results.json, plots and docs/performance.md."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import measures, models
from benchmarks.bench import machine
from benchmarks.report import write
from orchestrator.config import ROOT

MEASURES = measures.MEASURES | models.MEASURES
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> int:
    """Measure these (all without names), keep the other figures of the last run."""
    console = Console()
    if unknown := [n for n in names if n not in MEASURES]:
        console.print(f"There is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}.", style="red")
        return 2
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or MEASURES:
        with console.status(f"{name} ..."):
            found[name] = asyncio.run(MEASURES[name]())
        found["machine"], found["date"] = machine(), datetime.now(UTC).date().isoformat()
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        console.print(name, json.dumps(found[name]), soft_wrap=True, highlight=False)
    console.print(f"Written: {RESULTS}, {write(found, ROOT / 'docs')}", soft_wrap=True, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
