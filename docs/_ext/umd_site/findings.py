# SPDX-License-Identifier: GPL-2.0-only
"""The findings, from the summaries of runs in docs/runs, each time that the site is built."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from harness.findings.document import markdown
from harness.findings.evidence import NOT_MEASURED, Evidence, kept_evidence
from harness.findings.page import attacks_behind, findings
from harness.findings.parser_bug import kept_bug
from harness.findings.price import shipped_prices
from harness.findings.price_picture import svg
from harness.findings.price_table import together
from harness.host.paths import CHECKOUT
from harness.scenarios.corpus import SHIPPED
from harness.studies.rediscovery import markdown as table_of_searches
from umd_site.text import code, toctree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.results.defence_summary import Rediscovered

RUNS = CHECKOUT / "docs" / "runs"
PICTURE = "price.svg"
BEHIND = "attacks"
"""The page with the names behind the numbers."""
SEARCHES = "searches"
"""The page of the campaigns without a defence."""

GENERATED = "<!-- Generated from docs/runs each time that the site is built. -->"


@cache
def evidence() -> Evidence:
    """Return the evidence that the documentation rests on."""
    return kept_evidence(RUNS, SHIPPED)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page and the picture of the front: the path below `docs/`, and the text."""
    price = shipped_prices()
    page = markdown(findings(evidence(), price, bug=kept_bug(), picture=PICTURE), link)
    behind = f"[The attacks behind the numbers]({BEHIND}.md), by variant."
    entries = [BEHIND]
    if found := evidence().defences.rediscovered:
        yield f"findings/{SEARCHES}.md", searches(found)
        entries.append(SEARCHES)
    parts = [GENERATED, page, behind, toctree(entries)]
    yield "findings/index.md", "\n\n".join(parts) + "\n"
    won = markdown(attacks_behind(evidence()), link)
    yield f"findings/{BEHIND}.md", f"{GENERATED}\n\n{won}\n"
    if alone := evidence().defences.alone:
        yield f"findings/{PICTURE}", svg(together(alone, price)) + "\n"


def searches(found: Rediscovered) -> str:
    """Return the page of what campaigns found without each defence."""
    start = "from the attacks of a run, except those that the missing defence alone holds"
    return "\n\n".join(
        [
            GENERATED,
            "# What a campaign finds without a defence",
            f"Linux {found.line}, {found.jobs} machines at a time, at most {found.minutes:g} "
            "minutes for each defence. The campaigns started "
            f"{start if found.has_seeds else 'without attacks'}. "
            "[How the campaigns search](../how-to/campaign.md).",
            table_of_searches(found.without),
            "",
        ]
    )


def measured(name: str) -> str:
    """Return the verdicts of an attack in the kept runs; empty if it was not made."""
    on: dict[str, list[str]] = {}
    for variant in evidence().variants:
        if (verdict := evidence().verdict(variant, name)) != NOT_MEASURED:
            on.setdefault(verdict, []).append(code(variant))
    said = "; ".join(f"{verdict} on {', '.join(names)}" for verdict, names in on.items())
    return f"Measured ([the runs](../../findings/index.md)): {said}." if said else ""


def link(name: str) -> str:
    """Return the link to the page of an attack, which has its verdicts."""
    return f"[{code(name)}](#attack-{name})"
