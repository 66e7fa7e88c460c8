# SPDX-License-Identifier: GPL-2.0-only
"""The page of a campaign: what it found, how it went, and what it is about. It needs no script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.campaign.finding import CONFIRMATIONS
from harness.campaign.kept import FINDINGS, CampaignFolder
from harness.campaign.search import Learnt
from harness.campaign.writing import name_of
from harness.host.files import write_atomically
from harness.host.pace import duration
from harness.report.page.html import link, rendered
from harness.report.page.page import CAMPAIGN_PAGE
from harness.report.page.texts import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.campaign.finding import Finding
    from harness.campaign.kept import BatchEnd, Subject

_TEMPLATE = Path(__file__).with_name("page.html")
_WIDTH, _HEIGHT = 600, 80
"""Of the picture of how the search went, in pixels."""


def write_campaign_page(folder: Path) -> Path:
    """Write the page of a campaign into its folder; return it. Raises OSError and UserError."""
    subject, ended = CampaignFolder(folder).read()
    path = folder / CAMPAIGN_PAGE
    write_atomically(path, campaign_page(folder, subject, ended))
    return path


def campaign_page(folder: Path, subject: Subject, ended: Sequence[BatchEnd]) -> str:
    """Return the page. Its links are relative to the campaign's folder."""
    learnt = Learnt()
    for end in sorted(ended, key=lambda end: end.number):
        if end.number == learnt.merged:  # batches after a gap are made again by --resume
            learnt.merge(end)
    findings = [_row(folder, number, one) for number, one in enumerate(learnt.findings, 1)]
    return rendered(
        _TEMPLATE,
        name=shown(folder.name),
        subject=subject,
        findings=findings,
        confirmations=CONFIRMATIONS,
        counted=sum(finding.counts for finding in learnt.findings),
        programs=sum(end.programs for end in ended),
        batches=len(ended),
        without=sum(end.is_inconclusive for end in ended),
        lost_once=sum(end.lost_once for end in ended),
        kept=len(learnt.kept),
        took=duration(sum(end.seconds for end in ended)),
        curve=_curve([kept for kept, _, _ in learnt.marks]),
        width=_WIDTH,
        height=_HEIGHT,
    )


def _row(folder: Path, number: int, finding: Finding) -> dict[str, Any]:
    place = folder / FINDINGS / name_of(number, finding)
    files = sorted(place.iterdir()) if place.is_dir() else []
    return {
        "verdict": finding.verdict.value,
        "detail": shown(finding.detail),
        "calls": [shown(way) for way in finding.pattern],
        "confirmed": finding.confirmed,
        "reference": finding.reference_verdict.value,
        "counts": finding.counts,
        "hooks": ", ".join(finding.hooks),
        "files": [(path.name, link(path, folder)) for path in files],
    }


def _curve(kept: Sequence[int]) -> str:
    """Return the points of a line: the programs that were kept after each batch."""
    across, up = _WIDTH / max(len(kept) - 1, 1), _HEIGHT / max(kept[-1], 1)
    return " ".join(
        f"{at * across:.1f},{_HEIGHT - count * up:.1f}" for at, count in enumerate(kept)
    )
