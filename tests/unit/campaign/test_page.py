# SPDX-License-Identifier: GPL-2.0-only
"""The page of a campaign: what it says, where its links lead, and where it is linked from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run
from scripted_judge import KILL
from small_corpus import SMALL

from harness.campaign.finding import Finding
from harness.campaign.kept import FINDINGS, BatchEnd, CampaignFolder, Kept, Subject
from harness.campaign.page import write_campaign_page
from harness.campaign.program import Program
from harness.campaign.seeds import named_seeds
from harness.campaign.writing import FindingWriter
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.report.page.page import write_page

if TYPE_CHECKING:
    from pathlib import Path

MARKUP = "<script>window.harmed = 1</script>"
SUBJECT = Subject("6.12", "image", "isolated", "umd_isolation=on", "s", 8)
FOUND = Finding(
    Program((KILL,)), Verdict.DISRUPTED, MARKUP, "what", ("availability",), 3, Verdict.HELD
)
SHARED = Finding(
    Program((KILL, KILL)),
    Verdict.DISRUPTED,
    "died",
    "what",
    ("availability",),
    2,
    Verdict.DISRUPTED,
    ("availability",),
)


def a_campaign(root: Path) -> Path:
    """Keep a campaign of three batches, of which the last follows a gap."""
    folder = CampaignFolder(root / "campaign-a")
    folder.begin(SUBJECT, resume=False)
    folder.add(BatchEnd(0, 8, "held", "", 1.0, kept=(Kept(Program((KILL,)), ("new",)),)))
    folder.add(BatchEnd(1, 8, "disrupted", "", 61.0, findings=(FOUND, SHARED), lost_once=1))
    folder.add(BatchEnd(3, 8, "error", "", 1.0))
    for number, finding in enumerate((FOUND, SHARED), 1):
        writer = FindingWriter(folder.path / FINDINGS, ("--variant", "isolated"), "s", "kthread")
        writer.write(number, finding)
    return folder.path


def test_it_counts_what_was_found(tmp_path: Path) -> None:
    html = write_campaign_page(a_campaign(tmp_path)).read_text()
    text = " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]).split())
    assert "24 programs in 3 batches, 63 s of machines' time." in text
    assert "Findings: 2, of which kthread is safe from 1." in text
    assert "kill(handler) 3 of 3 held none" in text
    assert "losses that did not come again 1 batches without a conclusion 1" in text


def test_what_a_guest_wrote_is_no_markup(tmp_path: Path) -> None:
    html = write_campaign_page(a_campaign(tmp_path)).read_text()
    assert "<script" not in html
    assert "&lt;script&gt;window.harmed" in html


def test_each_link_leads_to_a_file(tmp_path: Path) -> None:
    page = write_campaign_page(a_campaign(tmp_path))
    links = re.findall(r'href="(findings/[^"]+)"', page.read_text())
    assert len(links) == 8
    assert all((page.parent / link).is_file() for link in links)


def test_the_page_of_a_run_leads_to_it(tmp_path: Path) -> None:
    run = keep_run(tmp_path, "a-run")
    write_campaign_page(a_campaign(tmp_path))
    assert (
        '<a href="../campaign-a/campaign.html">campaign-a</a>' in write_page(run, SMALL).read_text()
    )


def test_a_campaign_without_findings_says_so(tmp_path: Path) -> None:
    folder = CampaignFolder(tmp_path / "b")
    folder.begin(SUBJECT, resume=False)
    html = write_campaign_page(folder.path).read_text()
    assert "No program took anything from the handler." in html


def test_a_folder_without_a_campaign_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"there is no campaign in {tmp_path}"):
        write_campaign_page(tmp_path)


@pytest.mark.parametrize("named", ["campaign-a", "{root}/campaign-a"])
def test_another_campaign_starts_from_what_it_learnt(tmp_path: Path, named: str) -> None:
    a_campaign(tmp_path)
    names = [named.format(root=tmp_path)] * 2
    assert named_seeds(names, root=tmp_path) == (Program((KILL,)), Program((KILL, KILL)))
