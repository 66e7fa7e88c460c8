# SPDX-License-Identifier: GPL-2.0-only
"""The parts of the page that need no script: the heat map, the changes, the cost, the facts."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from harness.host.pace import duration
from harness.report.comparison_report import change_told, listed, run_facts, summary
from harness.report.heatmap import entry, shade
from harness.report.held_table import TOTAL, sources
from harness.report.page.texts import shown
from harness.results.held_counts import count_by_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.results.bench_figures import BenchFigures
    from harness.results.held_counts import HeldCount
    from harness.results.recorded_run import RecordedRun
    from harness.results.run_comparison import RunComparison
    from harness.results.run_header import RunHeader
    from harness.scenarios.corpus import Corpus

_SLOWEST = 15  # cells
_SCALE = 600  # the width of the picture of the cost, in pixels
_ROUND = 0.05  # the margin of its scale: a share of the whole

Section = dict[str, Any]


def held(run: RecordedRun, corpus: Corpus, variants: Sequence[str]) -> Section:
    """Return the heat map: a row for each class, an entry for each variant."""
    counts = count_by_class(run, corpus, variants)
    rows = {**counts.rows, TOTAL: counts.total}
    return {
        "variants": list(variants),
        "rows": [
            {
                "name": shown(name),
                "class": "" if name == TOTAL else name,
                "entries": [_entry(row.get(variant)) for variant in variants],
            }
            for name, row in rows.items()
            if any(count.cells for count in row.values())
        ],
        "notes": [shown(one) for one in sources(counts)],
    }


def _entry(count: HeldCount | None) -> Section:
    return {"shade": shade(count), "said": entry(count)}


def difference(comparison: RunComparison) -> Section:
    """Return the facts of both runs, and the changed cells under each kind of change."""
    old, new = run_facts(comparison.old), run_facts(comparison.new)
    facts = {"run": (comparison.old.name, comparison.new.name)}
    facts |= {name: (old[name], new[name]) for name in old if old[name] or new[name]}
    return {
        "summary": summary(comparison),
        "facts": [(name, shown(before), shown(after)) for name, (before, after) in facts.items()],
        "groups": [
            {
                "name": change.value,
                "cells": [{"id": one.cell.id, "told": shown(change_told(one))} for one in cells],
            }
            for change, cells in listed(comparison)
        ],
    }


def times(run: RecordedRun, variants: Sequence[str]) -> Section:
    """Return the seconds per cell, for each variant, and the slowest cells."""
    slowest = sorted(run.cells.values(), key=lambda line: -line.seconds)[:_SLOWEST]
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for line in run.cells.values():
        seconds[line.variant].append(line.seconds)
    medians = {variant: statistics.median(taken) for variant, taken in seconds.items()}
    return {
        "rows": [
            {
                "variant": variant,
                "cells": len(taken),
                "median": medians[variant],
                "most": max(taken),
                "sum": sum(taken),
            }
            for variant, taken in seconds.items()
        ],
        "longest": max(medians.values()) or 1,
        "slowest": [{"id": line.cell.id, "seconds": line.seconds} for line in slowest],
    }


def cost(figures: BenchFigures) -> Section:
    """Return the cost of the isolation, and the places of its interval on a scale."""
    trip = figures.round_trip
    marks = {
        "low": trip.ratio_low,
        "ratio": trip.ratio,
        "high": trip.ratio_high,
        "one": 1.0,
        "limit": trip.limit,
    }
    first, last = min(marks.values()), max(marks.values())
    margin = (last - first or 1) * _ROUND
    first, last = first - margin, last + margin
    return {
        "values": marks,
        "places": {
            name: round(_SCALE * (value - first) / (last - first), 1)
            for name, value in marks.items()
        },
        "width": _SCALE,
        "confidence": trip.confidence,
        "baseline": trip.baseline_us,
        "isolated": trip.isolated_us,
        "bytes": trip.bytes,
        "pairs": len(trip.pairs),
    }


def facts(header: RunHeader) -> list[tuple[str, str]]:
    """Return the provenance of the run: names and values, without those that are not known."""
    return [(name, shown(value)) for name, value in _facts(header) if value]


def _facts(header: RunHeader) -> Iterator[tuple[str, str]]:
    yield "started", header.started or ""
    yield "finished", header.finished or ""
    yield "took", duration(header.seconds) if header.seconds is not None else ""
    yield "command", " ".join(header.arguments)
    yield "kernel line", header.line
    yield "kernel release", header.release
    yield "kernel image", header.image
    yield "kernel config (SHA-256)", header.config
    yield "kernel source", header.source
    yield "patch series", header.series
    yield "compiler", header.compiler
    for name, images in header.flavours.items():
        yield f"kernel image of {name}", images.image
        yield f"kernel config of {name}", images.config
    yield "guest image", header.guest_image
    yield "disk image", header.disk
    yield "engine", header.engine
    yield "handler", header.handler
    yield "QEMU", header.qemu
    yield "accelerator", header.accelerator
    yield "why that accelerator", header.accelerator_reason
    yield "harness commit", header.commit
    yield "harness code", header.code
    yield "host", header.host
    yield "host system", header.host_system
    yield "host processor", header.host_cpu
    yield "host cores", str(header.host_cores or "")
    yield "host memory", f"{header.host_memory_mib} MiB" if header.host_memory_mib else ""
