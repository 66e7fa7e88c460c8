# SPDX-License-Identifier: GPL-2.0-only
"""The file of figures: `bench --output` writes it, `export --bench` quotes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from harness.results.records import read_record
from harness.results.run_header import Provenance

if TYPE_CHECKING:
    from pathlib import Path

FIGURES_SCHEMA = 1
"""Changes with the fields of the file, and with their meaning."""

_HINT = "name a file that `umd-harness bench --output` of this version wrote"


class PairFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two machines that took turns, one of each variant. Times are of one round trip."""

    baseline_us: float
    """First decile on `baseline`, in microseconds."""

    isolated_us: float
    """First decile on `isolated`, in microseconds."""

    baseline_median_us: float
    """Median on `baseline`, in microseconds."""

    isolated_median_us: float
    """Median on `isolated`, in microseconds."""

    ratio: float
    """Isolated over baseline, of the first deciles."""

    ratio_of_medians: float
    """Isolated over baseline, of the medians."""


class RoundTripFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cost of the isolation: round trips of all pairs (harness/studies/round_trip.py)."""

    bytes: int
    """The size of a request, and of a reply."""

    baseline_us: float
    """Median of the pairs' first deciles on `baseline`, in microseconds."""

    isolated_us: float
    """The same on `isolated`."""

    ratio: float
    """Median of the pairs' ratios, isolated over baseline."""

    ratio_low: float
    """The lower end of the interval of `ratio`."""

    ratio_high: float
    """The upper end of the interval of `ratio`."""

    confidence: float
    """The least probability with which an interval holds the true ratio."""

    limit: float
    """The highest ratio that the isolation may cost."""

    is_within: bool | None
    """Whether the ratio keeps to `limit`; null if the interval includes it."""

    ratio_of_medians: float
    """Median of the pairs' ratios of medians."""

    ratio_of_medians_low: float
    """The lower end of the interval of `ratio_of_medians`."""

    ratio_of_medians_high: float
    """The upper end of the interval of `ratio_of_medians`."""

    trips_per_machine: int
    """Round trips that were timed on each machine."""

    pairs: tuple[PairFigures, ...]
    """Each pair of machines."""


class StudyFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all files of figures of a study have."""

    schema: int
    """The version of these fields, `FIGURES_SCHEMA`."""

    line: str
    """The kernel line, or the name of the user's kernel."""

    facts: Provenance
    """What was measured on what, as in a run's run.json."""

    cut_short: str | UnsetType = UNSET
    """Why the study ended before it had measured everything; absent if it did not."""


class FileFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long files take in a handler and in the kernel (harness/studies/parser_cost.py)."""

    parser: str
    """The name of the handler."""

    name: str
    """What the file or the corpus is."""

    files: int
    """How many files it is."""

    bytes: int
    """How many bytes the parser gets, on average."""

    where: str
    """Where the handler runs."""

    handler_us: tuple[float, ...]
    """First deciles of the handler's times, in microseconds, by machine; means over files."""

    kernel_us: tuple[float, ...]
    """The same of the kernel's own parser, which also computes the digest of a certificate."""

    handler_percentiles_us: tuple[float, float]
    """The 50th and the 99th percentile of the handler's times on all machines."""

    kernel_percentiles_us: tuple[float, float]
    """The same of the kernel's own parser."""


class ParserFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What parsers cost outside of the kernel (harness/studies/parser_cost.py)."""

    files: tuple[FileFigures, ...]
    """Each file in each place."""

    locked_kib: dict[str, int]
    """The KiB of memory that an isolated handler has locked, by its name."""


class FreshFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The instructions of requests and starts, by machine (harness/studies/fresh_cost.py)."""

    request: tuple[float, ...]
    """A request to a handler that runs."""

    fresh: tuple[float, ...]
    """A request with a handler of its own."""

    start: tuple[float, ...]
    """fork(2), execve(2) and the end of a process of root's."""


class SettingFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What two files can do where a parser runs (harness/studies/parser_bug.py)."""

    parser: str
    """The name of the handler that has the parser without the bug."""

    name: str
    """Where the parser runs."""

    replies: bool
    """Whether the first file replies in the parser's place."""

    next_reply: str
    """Whose reply the next file gets after the first one."""

    sets_name: bool
    """Whether the second file sets the host name."""

    signal: int
    """The number of the signal that ends the parser after the second file; 0 for none."""


class BugFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file can do that exploits a parser (harness/studies/parser_bug.py)."""

    settings: tuple[SettingFigures, ...]
    """Each parser in each place."""


class CellFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long one cell took (harness/studies/bench.py)."""

    name: str
    """The cell's id, or `all cells` for all of them together."""

    saved_seconds: tuple[float, ...]
    """Wall times in seconds from the variant's saved state."""

    fresh_seconds: tuple[float, ...]
    """Wall times in seconds with a boot of the cell's own."""

    ratio: float
    """The median from the saved state over the median with a boot."""


class BenchFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `umd-harness bench` measured."""

    round_trip: RoundTripFigures
    """The cost of the isolation."""

    cells: tuple[CellFigures, ...] | UnsetType = UNSET
    """The cells that were timed, `all cells` last; absent if none were."""


class WorkFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long one kind of work with the records of a run took (harness/studies/growth.py)."""

    name: str
    """The work, such as `append` or the name of a report."""

    cells: int
    """The number of cells whose records it worked on."""

    cpu_seconds: float
    """The seconds on a processor."""

    seconds: float
    """The wall time in seconds."""


class RecordsFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `umd-harness bench --records` measured."""

    schema: int
    """The version of these fields, `FIGURES_SCHEMA`."""

    run: str
    """The name of the run that was made larger."""

    work: tuple[WorkFigures, ...]
    """Each kind of work, in the order in which it was done."""


def read_figures(path: Path) -> BenchFigures:
    """Read the file. Raises UserError if it cannot be read, or has another schema."""
    wrong = f"has schema {{found}}, and this version reads {FIGURES_SCHEMA}"
    return read_record(path, BenchFigures, schema=FIGURES_SCHEMA, wrong=wrong, hint=_HINT)
