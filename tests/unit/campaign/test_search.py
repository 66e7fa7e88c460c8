# SPDX-License-Identifier: GPL-2.0-only
"""The search finds, makes the same batches for the same seed, and goes on where it stopped."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack
from zlib import crc32

import pytest
from msgspec import structs
from scripted_judge import KILL, ScriptedJudge

from harness.campaign.call_types import CallType, Parameter
from harness.campaign.generate import Generator
from harness.campaign.kept import CampaignFolder, Subject
from harness.campaign.program import ways
from harness.campaign.search import Learnt, Limits, Programs, Search
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.campaign.finding import Finding
    from harness.campaign.investigate import How
    from harness.campaign.judged import Judged
    from harness.campaign.kept import BatchEnd
    from harness.campaign.program import Program

TYPES = (
    CallType("kill", (Parameter("pid_t", "pid"), Parameter("int", "sig"))),
    CallType("getsid", (Parameter("pid_t", "pid"),)),
    CallType("getpgid", (Parameter("pid_t", "pid"),)),
)
SUBJECT = Subject("6.12", "image", "isolated", "umd_isolation=on", "s", 8)


@dataclass
class Made:
    """A search, and what it told."""

    judge: ScriptedJudge
    ended: list[BatchEnd] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def search(
        self, *, before: Sequence[BatchEnd] = (), seed: str = "s", batches: int = 12, jobs: int = 1
    ) -> Search:
        search = Search(
            self.judge,
            Programs(Generator(TYPES), seed, 8),
            variant="isolated",
            reference="kthread",
            ended=before,
            told=self.ended.append,
            found=lambda _, finding: self.findings.append(finding),
        )
        search.run(Limits(60, batches=batches), jobs=jobs, beat=lambda: None)
        return search


def firsts(judge: ScriptedJudge) -> list[list[Program]]:
    return [programs for _, programs, _ in judge.batches]


def test_a_way_in_is_found_once_from_nothing_but_types() -> None:
    made = Made(ScriptedJudge())
    search = made.search()
    assert [finding.program.calls for finding in made.findings] == [
        search.learnt.findings[0].program.calls
    ]
    (call,) = made.findings[0].program.calls
    assert (call.name, call.args[0]) == ("kill", KILL.args[0])
    assert made.ended[0].programs == 8


def test_what_is_known_is_made_no_more() -> None:
    made = Made(ScriptedJudge())
    made.search(batches=30)
    later = [end for end in made.ended if end.number > 10]
    assert {end.verdict for end in later} == {"held"}


def test_no_program_takes_the_way_of_a_known_hole() -> None:
    known = (("kill(handler)",),)
    programs = Programs(Generator(TYPES), "s", 64, known=known).batch(0, Learnt())
    made = [way for program in programs for way in ways(program)]
    assert "kill(handler)" not in made
    assert "getsid(handler)" in made


def test_the_same_seed_makes_the_same_batches_on_any_number_of_machines() -> None:
    def batches(seed: str, jobs: int) -> set[tuple[Program, ...]]:
        judge = ScriptedJudge(loses=lambda _: False)
        Made(judge).search(seed=seed, jobs=jobs)
        return set(map(tuple, firsts(judge)))

    assert batches("a", 1) == batches("a", 4)
    assert not batches("a", 1) & batches("b", 1)


class CoveringJudge(ScriptedJudge):
    """Nothing is lost. Each program covers some addresses, of which a batch reports a few new."""

    MOST = 3

    def judged(self, variant: str, programs: Sequence[Program], **how: Unpack[How]) -> Judged:
        judged = super().judged(variant, programs, **how)
        time.sleep(crc32(str(programs).encode()) % 7 / 1000)  # so that batches end out of turn
        told = set(how.get("known_pcs", ()))
        pcs: list[frozenset[int]] = []
        for program in programs:
            new = sorted({crc32(way.encode()) % 97 for way in ways(program)} - told)
            left = self.MOST - sum(map(len, pcs))
            pcs.append(frozenset(new[:left]))
            told |= pcs[-1]
        results = tuple(tuple(0 for _ in program.calls) for program in programs)
        return structs.replace(judged, results=results, pcs=tuple(pcs))


def test_programs_that_cover_new_code_are_kept_in_the_same_order_on_any_number_of_machines() -> (
    None
):
    def kept(jobs: int) -> tuple[list[Program], list[int]]:
        judge = CoveringJudge(loses=lambda _: False)
        learnt = Made(judge).search(seed="a", batches=24, jobs=jobs).learnt
        return learnt.kept, learnt.pcs

    programs, pcs = kept(1)
    assert kept(4) == (programs, pcs)
    assert len(set(pcs)) == len(pcs) > CoveringJudge.MOST
    assert len(programs) > CoveringJudge.MOST


def test_a_killed_campaign_goes_on_with_nothing_lost(tmp_path: Path) -> None:
    whole = Made(ScriptedJudge())
    whole.search(batches=12)
    folder = CampaignFolder(tmp_path / "c")
    assert folder.begin(SUBJECT, resume=False) == []
    for end in whole.ended[:7]:
        folder.add(end)
    with (tmp_path / "c" / "batches.jsonl").open("ab") as file:
        file.write(b'{"number": 7, "prog')  # killed while it wrote
    ended = CampaignFolder(tmp_path / "c").begin(SUBJECT, resume=True)
    assert ended == whole.ended[:7]
    rest = Made(ScriptedJudge())
    rest.search(before=ended, batches=12)
    numbers = [(end.number, end.programs, end.verdict) for end in rest.ended]
    assert numbers == [(end.number, end.programs, end.verdict) for end in whole.ended[7:]]
    assert [finding.key for finding in rest.findings] == [one.key for one in whole.findings]


def test_a_batch_that_finds_no_room_leaves_no_torn_line(tmp_path: Path) -> None:
    whole = Made(ScriptedJudge())
    whole.search(batches=3)
    folder = CampaignFolder(tmp_path / "c")
    folder.begin(SUBJECT, resume=False)
    folder.add(whole.ended[0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = (tmp_path / "c" / "batches.jsonl").stat().st_size + 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            folder.add(whole.ended[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder.add(whole.ended[2])
    ended = CampaignFolder(tmp_path / "c").begin(SUBJECT, resume=True)
    assert ended == [whole.ended[0], whole.ended[2]]


def test_a_batch_that_ended_out_of_turn_is_not_made_again() -> None:
    whole = Made(ScriptedJudge(loses=lambda _: False))
    whole.search(batches=12)
    rest = Made(ScriptedJudge(loses=lambda _: False))
    rest.search(before=[end for end in whole.ended if end.number not in (2, 5)], batches=12)
    assert [end.number for end in rest.ended] == [2, 5]


def test_a_campaign_is_not_begun_twice_nor_mixed_with_another(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path / "c")
    with pytest.raises(UserError, match="there is no campaign"):
        folder.begin(SUBJECT, resume=True)
    folder.begin(SUBJECT, resume=False)
    with pytest.raises(UserError, match="has this campaign already; go on with --resume"):
        folder.begin(SUBJECT, resume=False)
    other = Subject("6.12", "image", "isolated", "umd_isolation=on", "s", 9)
    with pytest.raises(UserError, match="another size of batches"):
        folder.begin(other, resume=True)


def test_a_stop_leaves_the_batch_under_way_without_an_end() -> None:
    @dataclass
    class Stopping(ScriptedJudge):
        def judged(self, variant: str, programs: Sequence[Program], **how: Unpack[How]) -> Judged:
            search.stop()
            return super().judged(variant, programs, **how)

    made = Made(Stopping())
    search = Search(
        made.judge,
        Programs(Generator(TYPES), "s", 8),
        variant="isolated",
        reference="kthread",
        ended=(),
        told=made.ended.append,
        found=lambda _number, _finding: None,
    )
    search.run(Limits(60), jobs=1, beat=lambda: None)
    assert made.ended == []
    assert search.stopped


def test_a_defect_of_a_worker_is_raised() -> None:
    def breaks(_: Sequence[Program]) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Made(ScriptedJudge(loses=breaks)).search()
