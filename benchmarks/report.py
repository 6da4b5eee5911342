"""Writes docs/performance.md and its plots: each figure beside what the design promises."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HEAD = """# Performance

Written by `make bench` (also `irisvue bench`); change `benchmarks/`, not this page. Medians of three runs unless a row
says otherwise. Measured on {processor}, {cores} cores, {memory_gib} GiB, Python {python}: the whole system
and its clients on that one machine. {dates} Machines are noisy: compare only figures of the same run.

| what | measured | promised | |
|---|---|---|---|
"""
BESIDE = """
## Beside the usual design

The design that one writes down at first for such a service (`benchmarks/baseline/`), and ours: in turns on the same
machine, with the same networks, photos and clients; medians of three rounds. Where the last column is below 1, ours is
the worse one. Twelve photos of 1 MP are submitted at once.

| | usual design | ours | times better |
|---|---|---|---|
"""
NOTES = Path(__file__).parent / "notes.md"


def _rows(results: dict[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """Rows of the table: what, measured, promised, kept (None where nothing is promised)."""
    rows: list[tuple[str, str, str, bool | None]] = []
    for rate, ms in results.get("submit_ms", {}).items():
        promise = "p99 ≤ 25 ms at 100/s" if rate == "100" else ""
        kept = ms["p99"] <= 25 if rate == "100" else None
        rows.append((f"submit answered, {rate}/s", f"p50 {ms['p50']} ms, p99 {ms['p99']} ms", promise, kept))
    if ms := results.get("pick_up_ms"):
        rows.append(
            ("submitted → begun, idle", f"p50 {ms['p50']} ms, p99 {ms['p99']} ms", "p50 ≤ 25 ms", ms["p50"] <= 25)
        )
    if errors := results.get("eta"):
        words = f"waiting {errors['waiting']['median']:.0%}, running {errors['running']['median']:.0%}, "
        words += f"all {errors['all']['median']:.0%} (medians)"
        rows.append(("time left, promised against true, under load", words, "≤ 25 %", errors["all"]["median"] <= 0.25))
    for watchers, ms in results.get("delivery_ms", {}).items():
        promised = watchers.startswith("1000 watchers, 1000")
        kept = (ms["p50"] <= 5 and ms["p99"] <= 25) if promised else None
        words = f"p50 {ms['p50']} ms, p99 {ms['p99']} ms"
        rows.append((f"event written → read, {watchers}", words, "p50 ≤ 5 ms, p99 ≤ 25 ms" if promised else "", kept))
    for watchers, ms in results.get("fan_out", {}).items():
        most_ms = {"1000": 50, "2000": 100}[watchers.partition(" ")[0]]
        words = f"p50 {ms['p50']} ms, p99 {ms['p99']} ms; at most {ms['deliveries_a_second']:,.0f} deliveries/s"
        rows.append((f"one job's event → {watchers}", words, f"p99 ≤ {most_ms} ms", ms["p99"] <= most_ms))
    for count, at in results.get("streams", {}).items():
        words = (
            f"{at['kB_each']} kB each, {at['core_share']:.1%} of a core, {at['transactions_a_second']} transactions/s"
        )
        promised = count == "10000"
        kept = (at["kB_each"] <= 40 and at["transactions_a_second"] < 0.5) if promised else None
        rows.append((f"{count} idle streams", words, "≤ 40 kB each, no query" if promised else "", kept))
    if s := results.get("recovery_s"):
        words = f"p50 {s['p50']:.1f} s, max {s['max']:.1f} s"
        rows.append(("worker killed → its job runs again", words, "≤ 15 s", s["max"] <= 15))
    for size, t in results.get("throughput", {}).items():
        of_bare = f"{t['share_of_bare']:.2f} of the bare models"
        words = f"{t['jobs_a_second']:.2f}/s, {of_bare}, {t['tiles_a_job']:.0f} tiles each"
        rows.append((f"photos of {size}", words, "≥ 0.9 of the bare models", t["share_of_bare"] >= 0.9))
        rows.append((f"our own processor time a photo of {size}", f"{t['our_cpu_s_a_job']:.2f} s", "", None))
    for size, mb in results.get("memory_mb", {}).items():
        promised = size.startswith("12 x")
        rows.append(
            (f"worker memory, {size}", f"{mb:,} MB", "< 1,500 MB" if promised else "", mb < 1500 if promised else None)
        )
    return rows


def write(results: dict[str, Any], folder: Path) -> Path:
    """Write the page and its plots into `folder`; returns the page."""
    marks = {True: "kept", False: "**missed**", None: ""}
    lines = [f"| {what} | {words} | {promise} | {marks[kept]} |" for what, words, promise, kept in _rows(results)]
    page = HEAD.format(**results["machine"], dates=_dates(results["dates"])) + "\n".join(lines) + "\n"
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    _plot(results, pictures / "performance.png")
    page += "\n![plots of the table above](pictures/performance.png)\n"
    page += _beside(results)
    page += "\n" + NOTES.read_text() if NOTES.exists() else ""
    (folder / "performance.md").write_text(page)
    return folder / "performance.md"


def _beside(results: dict[str, Any]) -> str:
    """The section on the usual design; empty where it was not measured."""
    measured = {name: at for name, at in results.items() if name.startswith("beside_baseline")}
    if not measured:
        return ""
    lines = [
        f"| {what} | {_short(row['baseline'])} | {_short(row['ours'])} | {row['times better']:g} |"
        for at in measured.values()
        for what, row in at["figures"].items()
    ]
    loads = ", ".join(f"{at['load before']:g} (`{name}`)" for name, at in measured.items())
    return BESIDE + "\n".join(lines) + f"\n\nThe machine's load just before, of one minute: {loads}.\n"


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _dates(measured: dict[str, str]) -> str:
    """When which measures were made."""
    names = {day: ", ".join(f"`{name}`" for name in measured if measured[name] == day) for day in measured.values()}
    return " ".join(f"{day}: {names[day]}." for day in sorted(names, reverse=True))


def _plot(results: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
    panels = [
        ("Submit answered (ms)", results.get("submit_ms", {}), ("p50", "p99"), "submits per second", 25),
        ("Event written → read (ms)", results.get("delivery_ms", {}), ("p50", "p99"), "", 25),
        ("Memory of an idle stream (kB)", results.get("streams", {}), ("kB_each",), "open streams", 40),
    ]
    for axis, (title, rows, keys, label, promise) in zip(axes.flat, panels, strict=False):
        for n, key in enumerate(keys):
            places = [i + n * 0.38 for i in range(len(rows))]
            bars = axis.bar(places, [row[key] for row in rows.values()], 0.36, label=key)
            axis.bar_label(bars, fontsize=8)
        axis.axhline(promise, color="grey", linestyle=":", label=f"promised {promise}")
        axis.set_xticks([i + 0.19 * (len(keys) - 1) for i in range(len(rows))], [r.replace(", ", "\n") for r in rows])
        axis.set_title(title)
        axis.set_xlabel(label)
        axis.legend(fontsize=8)
    memory = results.get("memory_mb", {})
    bars = axes[1][1].bar([name.replace(" at once", "\nat once") for name in memory], list(memory.values()))
    axes[1][1].bar_label(bars, fontsize=8)
    axes[1][1].axhline(1500, color="grey", linestyle=":", label="promised 1,500")
    axes[1][1].set_title("Worker's peak memory, decoders included (MB)")
    axes[1][1].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
