# SPDX-License-Identifier: GPL-2.0-only
"""One campaign from its options to its end: kernel, types, folder, search, findings."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.campaign.call_types import call_types
from harness.campaign.files import Files, find_files
from harness.campaign.generate import Generator
from harness.campaign.holes import known_ways
from harness.campaign.inside import Inside
from harness.campaign.judged import BatchJudge
from harness.campaign.kept import FINDINGS, CampaignFolder, Subject
from harness.campaign.search import Programs, Search
from harness.campaign.writing import FindingWriter
from harness.host.children import kill_children
from harness.host.end_signals import end_signals_handled
from harness.host.errors import VmLost
from harness.host.pace import clock, duration
from harness.model.handlers import BACKDOOR, HASH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import FrameType

    from harness.campaign.files import GuestFile
    from harness.campaign.finding import Finding
    from harness.campaign.kept import BatchEnd
    from harness.campaign.program import Program
    from harness.campaign.search import Limits
    from harness.lab.lab import Lab

_VARIABLES = ("secret", "chain", "request", "reply")


@dataclass(frozen=True)
class Settings:
    """What a campaign is about, and how it goes."""

    variant: str
    reference: str
    """The variant with which findings are compared."""
    seed: str
    size: int
    jobs: int
    limits: Limits
    resume: bool
    words: tuple[str, ...]
    """The options that choose the machine, for the commands in a finding's folder."""
    seeds: tuple[Program, ...] = ()


@dataclass
class Counts:
    """What the live line says."""

    programs: int = 0
    batches: int = 0
    without: int = 0
    """Batches without a conclusion."""
    lost_once: int = 0

    def add(self, end: BatchEnd) -> None:
        """Count a batch."""
        self.programs += end.programs
        self.batches += 1
        self.without += end.is_inconclusive
        self.lost_once += end.lost_once


class Campaign:
    """One campaign. It is used once."""

    def __init__(
        self, lab: Lab, settings: Settings, results: Path, *, say: Callable[[str], None]
    ) -> None:
        """Open the campaign's folder below `results`. Raises UserError."""
        self._lab, self._settings, self._say = lab, settings, say
        kernel = lab.images(settings.variant).kernel
        self.path = self.folder(lab, settings.variant, settings.seed, results)
        self._folder = CampaignFolder(self.path)
        subject = Subject(
            lab.line,
            kernel.key,
            settings.variant,
            lab.corpus.variants[settings.variant].cmdline,
            settings.seed,
            settings.size,
            settings.seeds,
            settings.reference,
        )
        self._ended = self._folder.begin(subject, resume=settings.resume)
        self._writer = FindingWriter(
            self.path / FINDINGS, settings.words, settings.seed, settings.reference
        )
        self.counts, self._before = Counts(), len(self._ended)
        self._start = self._latest = time.monotonic()
        self.signal = 0
        """The signal that stopped the search; 0 if none did."""

    @staticmethod
    def folder(lab: Lab, variant: str, seed: str, results: Path) -> Path:
        """Return the folder of a campaign: the same for the same kernel, variant and seed."""
        return results / f"campaign-{lab.images(variant).kernel.key[:12]}-{variant}-{seed}"

    def run(self, progress: Callable[[str], None]) -> Sequence[Finding]:
        """Search; return all findings, also those of an earlier part. Raises UserError."""
        kernel = self._lab.images(self._settings.variant).kernel
        progress("campaign: reading the kernel's system calls")
        types = call_types(kernel.vmlinux, kernel.system_map)
        addresses, inside_addresses = (
            [kernel.handler_symbol(program, name) for name in _VARIABLES]
            for program in (HASH.program, BACKDOOR)
        )
        confines = self._lab.corpus.variants[self._settings.variant].confines
        progress("campaign: listing the guest's files")
        files = self._folder.files(self._guest_files)
        judge = BatchJudge.of(self._lab)
        for variant in (self._settings.variant, self._settings.reference):
            progress(f"campaign: making the saved state of {variant}")
            with suppress(VmLost), self._lab.machine(variant):
                pass
        search = Search(
            judge,
            Programs(
                Generator(types, addresses, Files(files)),
                self._settings.seed,
                self._settings.size,
                self._settings.seeds,
                known_ways(self._lab.corpus, self._settings.variant),
                Inside(inside_addresses) if confines else None,
            ),
            variant=self._settings.variant,
            reference=self._settings.reference,
            ended=self._ended,
            told=self._batch_ended,
            found=self._found,
        )
        self._start = self._latest = time.monotonic()

        def stop(number: int, _frame: FrameType | None) -> None:
            self.signal = self.signal or number
            search.stop()

        def beat() -> None:
            progress(self.line(search))
            if search.stopped:
                kill_children()

        with end_signals_handled(stop):
            search.run(self._settings.limits, jobs=self._settings.jobs, beat=beat)
        return search.learnt.findings

    def _guest_files(self) -> list[GuestFile]:
        """Return the guest's files; none if the guest cannot list them."""
        try:
            return find_files(self._lab)
        except (GuestError, VmLost) as lost:
            self._say(f"the guest's files are not listed, so programs use a built-in list: {lost}")
            return []

    def line(self, search: Search) -> str:
        """Return the live line."""
        now = time.monotonic()
        seconds = max(now - self._start, 0.001)
        count = self.counts
        findings = search.learnt.findings
        counted = sum(finding.counts for finding in findings)
        left = self._settings.limits.seconds - seconds
        rest = f"about {duration(left)} left" if left > 0 else "the last findings are investigated"
        return (
            f"campaign: {count.programs} programs, {count.programs / seconds:.1f} a second, "
            f"{len(search.learnt.kept)} kept, "
            f"findings: {len(findings)}, {counted} of which spare {self._settings.reference}, "
            f"{count.without} batches without a conclusion, "
            f"last new {clock(now - self._latest)} ago, {rest}"
        )

    def _batch_ended(self, end: BatchEnd) -> None:
        self._folder.add(end)
        self.counts.add(end)
        if end.kept or end.findings:
            self._latest = time.monotonic()

    def _found(self, number: int, finding: Finding) -> None:
        """Write a finding. One of an earlier part is written again, the same."""
        place = self._writer.write(number, finding)
        reference = self._settings.reference
        self._say(
            f"{finding.verdict}: {finding.detail}; {', '.join(finding.pattern)}; "
            f"lost again {finding.confirmed} x, {finding.reference_verdict} on {reference}; {place}"
        )
