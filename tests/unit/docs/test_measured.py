# SPDX-License-Identifier: GPL-2.0-only
"""The numbers of the documentation are those of the runs whose summaries lie in docs/runs.

After a new run:

    umd-harness findings RUN --summaries docs/runs
    tox run -e counts
"""

from __future__ import annotations

import re
from statistics import median

import msgspec
import pytest
from umd_site import parsers
from umd_site.counts import PICTURE, TABLE, central, with_table
from umd_site.findings import evidence, pages, searches

from harness.host.paths import CHECKOUT
from harness.model.handlers import WITH_BUG
from harness.model.verdict import Verdict
from harness.report.heatmap import svg
from harness.results.bench_figures import BenchFigures, BugFigures, FreshFigures, ParserFigures
from harness.results.defence_summary import Rediscovered, SearchResult
from harness.results.held_counts import count_by_class
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED
from harness.studies.fresh_cost import FreshCost
from harness.studies.parser_bug import SETTINGS
from harness.studies.parser_cost import SAMPLES
from harness.studies.round_trip import ISOLATED

DOCS = CHECKOUT / "docs"
OF = re.compile(r"\b(\w+) of (?:the )?(\w+)\b(?! edges)")
"""A fuzzer takes so many edges of a program's."""
NUMBERS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
AIM, HIGHER_AIM = 0.8, 0.95
"""The rates that handlers were to have: for a certificate, for a header
(docs/explanation/costs.md)."""
FEW = 3
"""A pair of no more than this is no count of attacks: `one of three`."""

WON = frozenset({Verdict.TAMPERED, Verdict.DISRUPTED, Verdict.LEAKED})

COUNTED = (
    "README.md",
    *(
        str(page.relative_to(CHECKOUT))
        for part in ("explanation", "tutorials")
        for page in sorted((DOCS / part).glob("*.md"))
    ),
)
"""The pages that say how many attacks of how many were held, or won."""


def number(word: str) -> int | None:
    return int(word) if word.isdecimal() else NUMBERS.get(word.lower())


def pairs(text: str) -> set[tuple[int, int]]:
    """Return each `N of M` and `N/M` that a text has."""
    found = {(number(one), number(other)) for one, other in OF.findall(text)}
    found |= {
        (number(a), number(b)) for a, b in re.findall(r"(?<![\d/])(\d+)/(\d+)(?![\d/])", text)
    }
    return {(a, b) for a, b in found if a is not None and b is not None and FEW < b >= a}


def given() -> set[tuple[int, int]]:
    """Return each pair that the kept runs give: held of those with a verdict, or lost of them."""
    found = set()
    for run in evidence().runs:
        every = count_by_class(run, SHIPPED, list(dict.fromkeys(c.variant for c in run.cells)))
        for row in (*every.rows.values(), every.total):
            found |= {(count.held, count.run) for count in row.values()}
            found |= {(count.run - count.held, count.run) for count in row.values()}
    return found


@pytest.mark.parametrize("page", COUNTED)
def test_each_count_is_one_that_a_kept_run_gives(page: str) -> None:
    assert pairs((CHECKOUT / page).read_text()) - given() == set()


def test_a_count_that_no_run_gives_is_found() -> None:
    assert pairs(
        "181 of 212, seven of ten, 1/10, 2026/11/28, one of two, out of the box"
    ) - given() == {(181, 212)}


def test_the_table_is_that_of_the_kept_runs() -> None:
    page = TABLE.read_text()
    assert with_table(page, central()) == page


def test_the_heat_map_is_that_of_the_kept_runs() -> None:
    assert PICTURE.read_text() == svg(central()) + "\n"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorials/read-a-matrix.md"])
def test_a_report_counts_as_the_kept_run_does(page: str) -> None:
    text = (CHECKOUT / page).read_text()
    lines = list(evidence().runs[0].cells.values())
    holes = sum(line.known_hole is not None for line in lines)
    unhooked = {name for variant in evidence().variants for name in evidence().unhooked(variant)}
    assert re.search(rf"^{holes} known holes:?$", text, re.MULTILINE)
    assert f"\n{len(unhooked)} attacks won and passed no LSM hook able to deny them" in text
    assert f"\nisolated loses more than kthread under {len(worse())} attacks:" in text
    good = sum(line.ok for line in lines)
    assert f"\n{len(lines)} cells: {good} as expected, {len(lines) - good} unexpected" in text


def lost(variant: str) -> dict[str, frozenset[str]]:
    """Return what each attack took from a variant."""
    return {name: line.lost for name, line in evidence().lines(variant).items()}


def worse() -> list[str]:
    """Return the attacks from outside under which `isolated` loses more than `kthread`."""
    theirs = lost("kthread")
    return [
        name
        for name, taken in lost("isolated").items()
        if taken - theirs[name] and not SCENARIOS[name].inside
    ]


def test_the_page_of_the_isolation_counts_as_the_kept_run_does() -> None:
    page = " ".join((DOCS / "explanation/isolation.md").read_text().split())
    words = {number: word for word, number in NUMBERS.items()}
    assert f"loses more than a kernel thread under {words[len(worse())]} attacks" in page
    assert all(f"| `{name}` (" in page for name in worse())
    locked = lost("isolated-lockdown")
    closed = [name for name, taken in lost("isolated").items() if taken and not locked[name]]
    (said, named) = re.findall(r"It closes (\d+) of the attacks .*? there: (.*?)\.", page)[0]
    assert (int(said), set(re.findall(r"`(\w+)`", named))) == (len(closed), set(closed))


def test_the_page_of_the_rivals_counts_as_the_kept_run_does() -> None:
    page = (DOCS / "explanation/rivals.md").read_text()
    smack = evidence().lines("smack").items()
    won = [n for n, line in smack if line.verdict in WON and not SCENARIOS[n].inside]
    assert f"loses {len(won)} in the counted run" in page


def test_the_page_of_the_defences_is_that_of_the_kept_measurement() -> None:
    alone = evidence().defences.alone
    assert alone
    page = (DOCS / "reference/defences.md").read_text()
    for name, won in alone.won.items():
        entries = ", ".join(f"`{attack}` ({lost})" for attack, lost in won.items()) or "none"
        (row,) = re.findall(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        assert row.endswith(f"| {entries} |")
    assert f"kernel image {alone.image[:12]}" in page


def test_the_page_of_findings_is_made_from_the_kept_runs() -> None:
    made = dict(pages())
    page = made["findings/index.md"]
    assert all(f"`{run.name}`" in page for run in evidence().runs)
    assert made["findings/price.svg"].startswith("<svg")


def test_the_table_and_the_picture_of_the_parsers_have_each_file() -> None:
    made = dict(parsers.pages())
    table, picture = made["reference/generated/parsers.md"], made["reference/generated/parsers.svg"]
    for sample in SAMPLES:
        for page in (table, picture):
            assert page.count(f"{sample.name}, ") >= 3, "the kernel, the handler, fresh ones"
    rates = [float(rate) for rate in re.findall(r"\| ([\d.]+) \(", table)]
    assert len(rates) == 2 * len(SAMPLES)
    assert max(rates) < AIM, "the page says that no aim was reached"


@pytest.mark.parametrize("page", ["explanation/costs.md", "how-to/bench.md"])
def test_the_round_trip_of_a_page_is_the_kept_one(page: str) -> None:
    kept = (DOCS / "figures/round-trip.json").read_bytes()
    trip = msgspec.json.decode(kept, type=BenchFigures).round_trip
    said = (
        f"isolated {trip.isolated_us:.0f} us  baseline {trip.baseline_us:.0f} us  "
        f"ratio {trip.ratio:.3f} ({trip.ratio_low:.3f} to {trip.ratio_high:.3f}), within"
    )
    assert said in (DOCS / page).read_text()


def test_the_bound_of_the_rates_is_that_of_the_kept_figures() -> None:
    page = " ".join((DOCS / "explanation/costs.md").read_text().split())
    kept = (DOCS / "figures/parsers.json").read_bytes()
    files = msgspec.json.decode(kept, type=ParserFigures).files
    at = {one.bytes: one for one in files if one.where == ISOLATED}
    transfer = median(at[583].handler_us)
    assert f"key of 583 bytes in {median(at[583].kernel_us):.0f} us, and" in page
    assert f"the handler replies after {transfer:.0f} us" in page
    for size, aim in ((1940, AIM), (97_552, HIGHER_AIM)):
        us = round(median(at[size].kernel_us))
        assert f"of {size if size < 10_000 else f'{size:,}'} bytes in {us} us." in page
        assert f"{us} / {aim} = {us / aim:.0f} us" in page
        assert transfer > us / aim - us, "the page says that the aim cannot be reached"
    assert f"{us / aim - us:.0f} us are left for the transfer" in page


def test_the_table_of_the_corpora_has_each_of_them() -> None:
    table = dict(parsers.pages())["reference/generated/parser-corpora.md"]
    kept = (DOCS / "figures/parser-corpora.json").read_bytes()
    corpora = msgspec.json.decode(kept, type=ParserFigures).files
    assert {one.parser for one in corpora} == {"x509", "pgp", "rpm"}
    assert all(one.files > 1 for one in corpora)
    for one in corpora:
        assert table.count(f"| {one.name}, {one.files} files, on average ") == 3


def test_the_page_of_the_bug_says_what_the_kept_figures_say() -> None:
    page = (DOCS / "explanation/parser-bug.md").read_text()
    found = msgspec.json.decode((DOCS / "figures/parser-bug.json").read_bytes(), type=BugFigures)
    assert {one.parser for one in found.settings} == set(WITH_BUG)
    assert len(found.settings) == len(WITH_BUG) * len(SETTINGS)
    for one in found.settings:
        place = ", ".join(f"`{word}`" for word in one.name.split(", "))
        (row,) = re.findall(rf"^\| in [^|]*\({place}\) \|.*$", page, re.MULTILINE)
        said = [cell.strip(" *") for cell in row.split("|")[2:5]]
        words = ["yes" if is_so else "no" for is_so in (one.replies, one.sets_name)]
        assert said == [*words, one.next_reply], (one.parser, one.name)


def test_the_page_has_the_line_of_the_kept_figures_of_new_handlers() -> None:
    found = msgspec.json.decode((DOCS / "figures/fresh.json").read_bytes(), type=FreshFigures)
    line = str(FreshCost(found.request, found.fresh, found.start))
    assert line in (DOCS / "explanation/parser-bug.md").read_text()


def test_the_page_of_searches_says_how_they_were_made() -> None:
    found = Rediscovered(line="6.12", minutes=60, jobs=2, has_seeds=True).with_result(
        "oom", SearchResult(320, 32, 60.0, image="ab", seed_run="a-run")
    )
    page = searches(found)
    assert "Linux 6.12, 2 machines at a time, at most 60 minutes" in page
    assert "The campaigns started from the attacks of a run, except" in page
    assert "| `oom` | nothing | 320 | 32 | 60.0 |" in page
