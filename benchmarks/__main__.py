"""`python -m benchmarks [NAME…]`: measures, and writes results.json, the plots and docs/performance.md."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import beside_baseline, deliveries, measures, models, waits
from benchmarks.bench import NotMeasured, machine
from benchmarks.report import write
from orchestrator.config import ROOT

OURS = measures.MEASURES | deliveries.MEASURES | models.MEASURES | {"waits_s": waits.waits_by_class}
MEASURES = OURS | beside_baseline.MEASURES
RESULTS = Path(__file__).parent / "results.json"


def main(names: list[str]) -> int:
    """Run the named measures, or all if none is named; the other figures of the last run are kept."""
    console = Console()
    if unknown := [n for n in names if n not in MEASURES]:
        console.print(f"There is no measure {', '.join(unknown)}. Measures: {', '.join(MEASURES)}.", style="red")
        return 2
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or MEASURES:
        try:
            with console.status(f"{name} ..."):
                results[name] = asyncio.run(MEASURES[name]())
        except NotMeasured as reason:
            console.print(f"{name} is left out. {reason}", style="yellow", soft_wrap=True)
            continue
        results["machine"] = machine()
        results.setdefault("dates", {})[name] = datetime.now(UTC).date().isoformat()
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        console.print(name, json.dumps(results[name]), soft_wrap=True, highlight=False)
    console.print(f"Written: {RESULTS}, {write(results, ROOT / 'docs')}", soft_wrap=True, highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
