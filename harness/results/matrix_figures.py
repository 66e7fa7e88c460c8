# SPDX-License-Identifier: GPL-2.0-only
"""The file of `bench --matrix --output`: what cells cost, and how the time of a run grows."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from harness.results.bench_figures import StudyFigures


class JobsFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some cells, run with a number of machines at a time."""

    jobs: int
    """How many machines ran at a time."""

    cells: int
    """How many cells ran."""

    errors: int
    """How many of them ended in an error: their times say little."""

    seconds: float
    """The wall time of all cells, in seconds."""

    cpu_seconds: float
    """The seconds on a processor of the harness and its machines."""

    memory_mib: float
    """The most memory of the harness and its machines. A page that is shared counts once."""

    disk_kib: float
    """What the results and the evidence of a cell take on the disk."""


class LineFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time against the number of cells that have ended, and the line through the points."""

    seconds: tuple[float, ...]
    """The time at each number of ended cells, in seconds."""

    seconds_a_cell: float
    """The slope of the line."""

    determination: float
    """The coefficient of determination: 1 if all points are on the line."""

    last_over_first: float
    """The time of the last repetition over that of the first."""


class GrowthFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time of one run against the number of cells."""

    jobs: int
    """How many machines ran at a time."""

    ended: tuple[int, ...]
    """Numbers of ended cells: after the reference cells, and after each repetition."""

    wall: LineFigures
    """The wall time, which other processes on the host make longer."""

    cpu: LineFigures
    """The time on a processor of the harness, and of the machines that have ended."""


class ShardsFigures(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same cells in one run, and in shards that each had the machine alone."""

    whole_seconds: float
    """The wall time of the one run."""

    shard_seconds: tuple[float, ...]
    """The wall time of each shard."""

    efficiency: float
    """The one run's time over the number of shards times the longest shard's."""

    whole_cpu_seconds: float
    """The seconds on a processor of the one run."""

    shard_cpu_seconds: tuple[float, ...]
    """The seconds on a processor of each shard."""

    cpu_efficiency: float
    """The same of the seconds on a processor, which load on the host hardly changes."""


class MatrixFigures(StudyFigures, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `umd-harness bench --matrix` measured."""

    cells: tuple[str, ...]
    """The ids of the cells, without those that only have another name."""

    jobs: tuple[JobsFigures, ...]
    """The cells with each number of machines."""

    growth: GrowthFigures | UnsetType = UNSET
    """The time against the number of cells; absent if the study was cut short before."""

    shards: ShardsFigures | UnsetType = UNSET
    """One run and two shards; absent if the study was cut short before."""
