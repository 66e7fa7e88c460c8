# SPDX-License-Identifier: GPL-2.0-only
"""run.json: what was run, on what, when, and how it ended."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from harness.model.handlers import DEFAULT_HANDLER
from harness.results.result_line import SCHEMA
from harness.results.shard_record import ShardRecord

SAME = {
    "image": "kernel image",
    "flavours": "kernel image of a flavour",
    "guest_image": "guest image",
    "disk": "disk image",
    "engine": "engine",
    "handler": "handler",
    "qemu": "QEMU",
    "accelerator": "accelerator",
}
"""The facts that all parts of a run share, and what they are called."""


class FlavourImages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The images of a flavour: a kernel configuration that some variants need."""

    image: str = ""
    """The key of the kernel image."""

    config: str = ""
    """The SHA-256 of the kernel's configuration."""

    guest_image: str = ""
    """The key of the guest image."""


class Provenance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a lab is made of. An empty value is not known."""

    image: str = ""
    """The key of the kernel image."""

    release: str = ""
    """The kernel's release, as `uname -r` prints it."""

    compiler: str = ""
    """The version of the compiler that built the kernel."""

    source: str = ""
    """The hash of the kernel source, before the series."""

    config: str = ""
    """The SHA-256 of the kernel's configuration."""

    series: str = ""
    """The hash of the patch series, which `export` compares with the series as it is."""

    kernel: str = ""
    """What the user's kernel was built from, in words; empty for a kernel line."""

    choice: Any = None
    """The user's kernel: its tree, patches and fragments, or its files, and the `words` of the
    command line for it; null for a kernel line."""

    guest_image: str = ""
    """The key of the guest image."""

    disk: str = ""
    """The key of the disk image that the machines of the engine `image` boot from."""

    engine: str = ""
    """How the machines boot (harness/engines/)."""

    handler: str = DEFAULT_HANDLER
    """The handler that was attacked (harness/model/handlers.py)."""

    flavours: dict[str, FlavourImages] = {}
    """The images of each flavour that the variants need, by its name."""

    opened_for: tuple[str, ...] = ()
    """The variants that the images were built for."""

    qemu: str = ""
    """The version of QEMU, as it prints it."""

    accelerator: str = ""
    """`kvm` or `tcg`."""

    accelerator_reason: str = ""
    """Why that accelerator was taken."""

    commit: str = ""
    """The commit of the harness, as `git describe --always --dirty` names it, or `unknown`."""

    code: str = ""
    """The hash of the harness's code that takes part in verdicts."""

    host: str = ""
    """The host's architecture and kernel release."""

    host_system: str = ""
    """The host's operating system and its release."""

    host_cpu: str = ""
    """The model of the host's processor."""

    host_cores: int | None = None
    """The number of the host's processor cores, hyperthreads counted."""

    host_memory_mib: int | None = None
    """The size of the host's memory in MiB."""


class RunHeader(Provenance, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run: its provenance, and what is known of it so far. Times are ISO 8601, in UTC."""

    schema: int = SCHEMA
    """The version of these fields and of those of results.jsonl."""

    started: str | None = None
    """When the run began; null before the lab is open."""

    finished: str | None = None
    """When the run ended; null while it goes on, and if it was killed."""

    resumed: tuple[str, ...] = ()
    """When `run --resume` went on with the run."""

    line: str = ""
    """The kernel line, or the name of the user's kernel."""

    arguments: tuple[str, ...] = ()
    """The command with its options; options that have their default value are left out."""

    selected: tuple[str, ...] | None = None
    """The ids of the chosen cells, without those they rest on; null for a pytest session that is no
    shard."""

    failed_of: str | None = None
    """The run from which `run --failed` has the chosen cells; null for another choice."""

    shard: ShardRecord | None = None
    """The shard that the run is; null if the chosen cells were not divided."""

    merged: tuple[str, ...] = ()
    """The names of the runs that `umd-harness merge` made this one of."""

    since: str | None = None
    """The run from which `run --since` has the cells that rest on nothing that has changed."""

    jobs: int | None = None
    """How many cells ran at a time; null for a pytest session."""

    scenario_files: tuple[str, ...] = ()
    """The user's scenario files."""

    variant_files: tuple[str, ...] = ()
    """The user's variant files."""

    brought: dict[str, str] = {}
    """The SHA-256 of each file of the user's attacks and variants, by its path."""

    seconds: float | None = None
    """Wall time of the run in seconds, without a part that was killed."""

    exit_status: int | None = None
    """0 if all cells came out as expected, 1 if not, 2 on an error, 128 + N for signal N."""

    pytest_exit_status: int | None = None
    """The exit status of the pytest session; null for `umd-harness run`."""

    counts: dict[str, int] = {}
    """The cells counted (harness/results/counts.py); `not_run` are those needed and not run."""

    stopped_by: str | None = None
    """The signal that stopped the run, such as `SIGINT`."""

    error: str | None = None
    """The error for which the run could not go on."""

    @property
    def trouble(self) -> str:
        """Why the run did not get to its end; empty if it did."""
        if self.stopped_by:
            return f"stopped by {self.stopped_by}"
        if self.error:
            return self.error
        return "" if self.finished else "it has not ended"
