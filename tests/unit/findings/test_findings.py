# SPDX-License-Identifier: GPL-2.0-only
"""The findings: each number is counted from a run, and what is not measured is said."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kept_runs import keep_run
from msgspec import structs
from scripted_lab import outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.findings.document import (
    COLUMNS,
    Block,
    Document,
    Names,
    Section,
    Table,
    Text,
    mail,
    markdown,
)
from harness.findings.evidence import Evidence, evidence_of, kept_evidence
from harness.findings.kernels import TITLE
from harness.findings.page import findings
from harness.findings.price import prices
from harness.findings.tables import SHOWN
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.series_file import load_series
from harness.model.cell import Cell
from harness.model.handlers import RPM
from harness.model.verdict import Verdict
from harness.results.defence_summary import Alone, DefenceSummary, Enough, write_defences
from harness.results.recorded_run import read_run
from harness.results.run_summary import write_summary

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from harness.model.cell import Outcome
    from harness.results.recorded_run import RecordedRun

PRICES = prices(load_series("6.12", patches=KERNEL_PATCHES))
ALONE = Alone(
    line="6.12",
    image="abcd",
    attacks=("ptrace_seize", "proc_mem_write", "process_vm_readv"),
    won={"access": {"ptrace_seize": "tampered"}, "oom": {"process_vm_readv": "leaked"}},
)
ENOUGH = Enough(
    line="6.12",
    image="abcd",
    run="a-study",
    sets=(("access", "oom"),),
    is_all=True,
    needs={"access": "ptrace_seize", "oom": "process_vm_readv"},
    allowed=("dev_mem",),
    decisive=3,
    cells=12,
    confirmed=False,
)


def evidence(root: Path, **script: Outcome) -> Evidence:
    keep_run(root, "kept", script=script)
    return evidence_of(["kept"], SMALL, root=root)


def said(found: Evidence) -> str:
    return markdown(findings(found, PRICES))


def test_each_number_is_counted_from_the_run(tmp_path: Path) -> None:
    lost = outcome(Verdict.TAMPERED)
    page = said(evidence(tmp_path, isolated__ptrace_seize=lost))
    assert "`isolated`: 2 attacks win on integrity. On `baseline`, 4 attacks win. On" in page
    assert "On `kthread`, 1 attack wins." in page
    assert "Win on `isolated`, and not on `kthread` (1): `ptrace_seize`." in page
    assert "Run `kept`: line 6.12, kernel image 0123456789ab" in page
    assert "**No.** `isolated`: 2 attacks win" in page


def test_an_attack_without_a_verdict_on_a_thread_speaks_for_nobody(tmp_path: Path) -> None:
    """`isolated` loses to dev_mem and a thread, too: the answer is yes, whatever else wins."""
    no_verdict = outcome(Verdict.NOT_APPLICABLE)
    lost = outcome(Verdict.TAMPERED)
    found = evidence(tmp_path, isolated__ptrace_seize=lost, kthread__ptrace_seize=no_verdict)
    page = said(found)
    assert "**Yes.** `isolated`: 2 attacks win" in page
    assert "Win on `isolated`, and have no verdict on `kthread` (1): `ptrace_seize`." in page


def test_a_variant_that_no_run_has_is_said_to_be_missing(tmp_path: Path) -> None:
    found = evidence(tmp_path)
    page = said(found)
    absent = [name for name in SHOWN if not found.has(name)]
    assert "proposal" in absent
    assert "`proposal`: not measured in this run." in page
    assert f"Not measured in this run: {', '.join(f'`{name}`' for name in absent)}." in page
    last = page[page.index("## What was not tried") :]
    assert f"Variants not measured in this run: {', '.join(f'`{n}`' for n in absent)}." in last


def test_a_missing_thread_is_not_taken_for_one_that_holds_all(tmp_path: Path) -> None:
    run = evidence(tmp_path).runs[0]
    alone = {cell: line for cell, line in run.cells.items() if cell.variant == "isolated"}
    page = said(Evidence(SMALL, [replace(run, cells=alone)]))
    assert "On `kthread`, not measured in this run." in page
    assert "and not on `kthread`" not in page


def test_of_several_runs_the_first_that_has_a_variant_counts(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    keep_run(tmp_path, "other", script={"isolated__ptrace_seize": outcome(Verdict.TAMPERED)})
    found = evidence_of(["kept", "other"], SMALL, root=tmp_path)
    assert found.won("isolated", "integrity") == ["dev_mem"]
    assert "Run `other`" not in said(found)
    again = evidence_of(["other", "kept"], SMALL, root=tmp_path)
    assert again.won("isolated", "integrity") == ["ptrace_seize", "dev_mem"]


def test_each_question_names_the_runs_of_its_variants(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    keep_run(tmp_path, "other")
    runs = [read_run(name, root=tmp_path) for name in ("kept", "other")]
    on = [{c: one for c, one in run.cells.items() if c.variant != "kthread"} for run in runs]
    found = Evidence(SMALL, [replace(runs[0], cells=on[0]), runs[1]])
    page = said(found)
    asked = page[page.index("## “Is denying ptrace") : page.index("## “Avoid swapping")]
    assert "Counted from run `kept` and `other`." in asked
    lonely = page[page.index("## A sandbox") : page.index("## What would be enough")]
    assert "Counted from" not in lonely


TRACED = Cell("6.12", "baseline", "ptrace_seize"), Cell("6.12", "kthread", "ptrace_seize")
"""An attack that wins, and that is held."""


def parsing(run: RecordedRun) -> RecordedRun:
    """The cells of two variants as a run of the handler `rpm`, with its stake."""
    at_stake = [structs.replace(run.cells[cell], scenario="forged_digest") for cell in TRACED]
    variants = {cell.variant for cell in TRACED}
    cells = {cell: one for cell, one in run.cells.items() if cell.variant in variants}
    header = structs.replace(run.header, handler=RPM.name)
    return replace(
        run, name="parsed", header=header, cells={**cells, **{one.cell: one for one in at_stake}}
    )


def test_what_a_parser_decides_is_a_question_of_its_own(tmp_path: Path) -> None:
    run = evidence(tmp_path).runs[0]
    other = parsing(run)
    page = said(Evidence(SMALL, [run], parsers=[other]))
    part = page[page.index("## What can root make") : page.index("## Are the proposals")]
    assert "| `forged_digest` | **tampered** | held |" in part
    assert re.search(r"Of (\d+) cells of the other attacks, where both .*, \1 end as with", part)
    assert "with `hash` (" not in part, "nothing differs"
    assert "attacks on a parser" not in page
    assert "Counted from run `parsed`: line 6.12." in part
    assert "Run `parsed`" not in page, "its cells are no numbers of the other questions"


def test_an_attack_that_ends_otherwise_on_a_parser_is_named(tmp_path: Path) -> None:
    run = evidence(tmp_path).runs[0]
    won, held = TRACED
    other = parsing(run)
    line = structs.replace(run.cells[held], variant=won.variant)
    page = said(Evidence(SMALL, [run], parsers=[replace(other, cells={**other.cells, won: line})]))
    assert "`baseline`: held, and tampered with `hash` (1): `ptrace_seize`." in page


def test_without_a_handler_that_parses_the_question_is_open(tmp_path: Path) -> None:
    page = said(evidence(tmp_path))
    assert "No run has a handler that parses." in page
    assert "attacks on a parser: the handler here computes hashes" in page


def test_a_summary_is_kept_of_each_run_of_whatever_handler(tmp_path: Path) -> None:
    run = evidence(tmp_path).runs[0]
    (tmp_path / "given").mkdir()
    (tmp_path / "kept-there").mkdir()
    files = [str(write_summary(tmp_path / "given", one)) for one in (run, parsing(run))]
    assert main(["findings", *files, "--summaries", str(tmp_path / "kept-there")]) == 0
    assert {one.name for one in (tmp_path / "kept-there").iterdir()} == {"kept.json", "parsed.json"}


def test_runs_of_two_handlers_are_not_mixed(tmp_path: Path) -> None:
    """The run of the plain handler gives the numbers, whichever is named first."""
    run = evidence(tmp_path).runs[0]
    other = parsing(run)
    for kept in (run, other):
        write_summary(tmp_path, kept)
    files = [str(tmp_path / f"{name}.json") for name in ("parsed", "kept")]
    found = evidence_of(files, SMALL, root=tmp_path)
    assert [one.name for one in found.runs] == ["kept"]
    assert [one.name for one in found.parsers] == ["parsed"]
    alone = evidence_of(files[:1], SMALL, root=tmp_path)
    assert [one.name for one in alone.runs] == ["parsed"]
    assert alone.corpus.handler == RPM.name
    page = said(alone)
    assert "| `forged_digest` | **tampered** | held |" in page
    assert "where both runs have a verdict" not in page, "there is nothing to compare with"
    both = kept_evidence(tmp_path, SMALL)
    assert [one.name for one in (*both.runs, *both.parsers)] == ["kept", "parsed"]


def as_proposal(run: RecordedRun, line: str = "6.12") -> RecordedRun:
    """The cells of `isolated` as a run of `proposal` on a kernel line."""
    cells = {
        structs.replace(cell, line=line, variant="proposal"): structs.replace(
            one, line=line, variant="proposal"
        )
        for cell, one in run.cells.items()
        if cell.variant == "isolated"
    }
    return replace(run, name=line, header=structs.replace(run.header, line=line), cells=cells)


def test_the_proposals_are_compared_between_kernels(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    keep_run(tmp_path, "other", script={"isolated__ptrace_seize": outcome(Verdict.TAMPERED)})
    kept, other = (read_run(name, root=tmp_path) for name in ("kept", "other"))
    named = as_proposal(kept)
    page = said(Evidence(SMALL, [named, as_proposal(other, "7.2")]))
    section = page[page.index(f"## {TITLE}") : page.index("## What would be enough")]
    assert "| variant | 6.12 | 7.2 |" in section
    assert "`proposal` on 7.2: tampered, and held on 6.12 (1): `ptrace_seize`." in section
    assert "Counted from run `6.12` and `7.2`." in section
    alike = Evidence(SMALL, [named, as_proposal(kept, "7.2")])
    assert "`proposal` on 7.2: the same outcomes as on 6.12." in said(alike)
    assert "Only line 6.12 was measured in this run." in said(Evidence(SMALL, [named]))
    assert "No run has a proposal." in said(Evidence(SMALL, [kept]))


def test_an_attack_that_met_a_hook_is_not_among_those_without(tmp_path: Path) -> None:
    met = replace(outcome(Verdict.TAMPERED), refusable=("security_ptrace_access_check",))
    found = evidence(tmp_path, baseline__ptrace_seize=met)
    assert "ptrace_seize" not in found.unhooked("baseline")
    assert "proc_mem_write" in found.unhooked("baseline")
    assert "escape_openat" not in found.unhooked("baseline")


def test_the_defences_are_counted(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    measured = DefenceSummary(alone=ALONE, enough={"integrity": ENOUGH})
    page = said(evidence_of(["kept"], SMALL, root=tmp_path, defences=measured))
    assert "**No.** Without `access`" in page
    assert "1 attack wins on `isolated`" in page
    assert "Enough for the goal `integrity`: `access` + `oom`. That is not confirmed yet." in page
    assert "**No run of every attack on it has confirmed it yet.**" in page
    assert "For `availability`: not measured in this run." in page


def test_a_mail_has_72_columns(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    measured = DefenceSummary(alone=ALONE, enough={"integrity": ENOUGH})
    found = evidence_of(["kept"], SMALL, root=tmp_path, defences=measured)
    text = mail(findings(found, PRICES, picture="price.svg"))
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert "`" not in text
    assert "price.svg" not in text
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}


def test_a_table_that_is_too_wide_for_a_mail_becomes_lines() -> None:
    wide = Table([["a", "b", "c"], ["x" * 30, "y" * 30, "z" * 30]])
    document = Document("T", [Text("`code` and [a link](x.md)")], [Section("S", [wide])])
    assert mail(document).splitlines()[-2:] == [f"{'x' * 30}: b {'y' * 30}; c", f"  {'z' * 30}"]
    assert "code and a link" in mail(document)


def test_markdown_links_each_attack() -> None:
    blocks: list[Block] = [
        Names("Win", ["one"]),
        Table([["attack", "x"], ["two", "held"]], of_attacks=True),
    ]
    text = markdown(Document("T", blocks), lambda name: f"[{name}](#{name})")
    assert "Win: [one](#one)." in text
    assert "| [two](#two) | held |" in text


def test_the_command_writes_a_mail_and_summaries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_run(tmp_path, "kept")
    there = ["--results", str(tmp_path)]
    assert main(["findings", "kept", "--mail", *there]) == 0
    assert capsys.readouterr().out.startswith("Findings\n========\n")
    assert main(["findings", "kept", "--summaries", str(tmp_path), *there]) == 0
    file = capsys.readouterr().out.strip()
    assert main(["findings", file]) == 0
    assert "# Findings" in capsys.readouterr().out


def test_the_kept_summaries_are_evidence(tmp_path: Path) -> None:
    keep_run(tmp_path / "runs", "kept")
    write_summary(tmp_path, read_run("kept", root=tmp_path / "runs"))
    assert kept_evidence(tmp_path, SMALL).defences == DefenceSummary()
    write_defences(tmp_path / "defences.json", DefenceSummary(alone=ALONE))
    found = kept_evidence(tmp_path, SMALL)
    assert found.defences.alone == ALONE
    assert found.has("isolated")
    named = [str(path) for path in tmp_path.glob("*.json")]
    assert evidence_of(named, SMALL, root=tmp_path).defences.alone == ALONE
