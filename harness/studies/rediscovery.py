# SPDX-License-Identifier: GPL-2.0-only
"""Does a campaign find the way in that one missing defence opens, and how long does that take?

    <folder>/without-<defence>.toml     the variant that a campaign searches
    <folder>/campaign-…                 the campaign, which goes on where it stopped

The program of a finding is made on `isolated` as well. The finding counts if `isolated` keeps an
axis that the variant without the defence loses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness import campaign
from harness.campaign.campaign import Campaign
from harness.campaign.kept import CampaignFolder, is_campaign
from harness.campaign.search import Limits
from harness.host.files import write_atomically
from harness.judge.parity import SUBJECT
from harness.results.defence_summary import SearchResult
from harness.run.code import code_digest
from harness.studies.defences import DEFENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from harness.campaign.campaign import Settings
    from harness.campaign.kept import BatchEnd
    from harness.campaign.program import Program
    from harness.lab.lab import Lab

_VARIANT = """\
name = "{name}"
summary = "{like} without the defence {defence}"
like = "{like}"
cmdline = "umd_isolation=on umd_without={defence}"
"""


def variant_without(defence: str) -> str:
    """Return the name of the variant that leaves a defence out."""
    return f"without-{defence}"


def campaign_digest(seeds: Mapping[str, Sequence[Program]]) -> str:
    """Return a hash of the programs to start from, and of the code that makes and judges others."""
    said = msgspec.json.encode({name: list(some) for name, some in seeds.items() if some})
    files = sorted(path for path in Path(campaign.__file__).parent.iterdir() if path.is_file())
    code = b"".join(path.read_bytes() for path in files)
    return sha256(code_digest().encode() + code + said).hexdigest()


def variant_files(folder: Path, defences: Iterable[str]) -> dict[str, Path]:
    """Write a variant file for each defence; return them by defence. Raises OSError."""
    files = {defence: folder / f"{variant_without(defence)}.toml" for defence in defences}
    for defence, path in files.items():
        text = _VARIANT.format(name=variant_without(defence), like=SUBJECT, defence=defence)
        write_atomically(path, text)
    return files


@dataclass(frozen=True)
class Rediscovery:
    """Searches where a defence is missing."""

    lab: Lab
    """Its corpus has the variants of `variant_files`."""

    folder: Path
    files: Mapping[str, Path]
    settings: Settings
    """Those of each campaign, but for the variant and the seeds. The time limit is that of a whole
    campaign, however often it goes on."""

    say: Callable[[str], None]
    progress: Callable[[str], None]

    def search(self, defence: str, seeds: Sequence[Program]) -> tuple[SearchResult, int]:
        """Search without a defence until something is found, or until the time is over.

        Return what came of it, and the signal that stopped it (0: none did). Raises UserError.
        """
        variant, jobs = variant_without(defence), self.settings.jobs
        path = Campaign.folder(self.lab, variant, self.settings.seed, self.folder)
        is_begun = is_campaign(path)
        ended = CampaignFolder(path).read()[1] if is_begun else []
        limit = self.settings.limits.seconds
        known = summary_of(ended, jobs=jobs, seconds=limit)
        left = limit - 60 * known.minutes
        if known.calls or left <= 0:
            return known, 0
        file = ("--variant-file", str(self.files[defence]))
        settings = replace(
            self.settings,
            variant=variant,
            limits=Limits(left, findings=1),
            resume=is_begun,
            words=(*file, "--variant", variant, *self.settings.words),
            seeds=tuple(seeds),
        )
        search = Campaign(self.lab, settings, self.folder, say=self.say)
        search.run(lambda line: self.progress(f"without {defence}: {line}"))
        ended = CampaignFolder(path).read()[1]
        return summary_of(ended, jobs=jobs, seconds=limit), search.signal


def summary_of(ended: Iterable[BatchEnd], *, jobs: int, seconds: float) -> SearchResult:
    """Return the result of a campaign on `jobs` machines: up to its first finding that counts.

    A finding that came after `seconds` is none.
    """
    programs, inconclusive, spent = 0, 0, 0.0
    for end in sorted(ended, key=lambda end: end.number):
        spent += end.seconds / jobs
        if end.is_inconclusive:
            inconclusive += end.programs
        else:
            programs += end.programs
        counted = next((finding for finding in end.findings if finding.counts), None)
        if counted is not None and spent <= seconds:
            found = (str(counted.verdict), counted.pattern)
            return SearchResult(programs, inconclusive, spent / 60, *found)
    return SearchResult(programs, inconclusive, spent / 60)


def markdown(found: Mapping[str, SearchResult]) -> str:
    """Return a table of the searches, and how many of them found a way in."""
    rows = [
        f"| `{defence}` | {_outcome(one)} | {one.programs} | {one.inconclusive} "
        f"| {one.minutes:.1f} |"
        for defence, one in sorted(found.items(), key=lambda item: list(DEFENCES).index(item[0]))
    ]
    return "\n".join(
        [
            "| missing defence | found | programs | inconclusive programs | minutes |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Each of {len(found)} defences was left out by itself. Campaigns found a way in for "
            f"{sum(bool(one.calls) for one in found.values())} of them.",
        ]
    )


def _outcome(one: SearchResult) -> str:
    return f"{one.verdict}: `{'`, `'.join(one.calls)}`" if one.calls else "nothing"
