# SPDX-License-Identifier: GPL-2.0-only
"""The report of a run as one HTML file, which works offline and asks for nothing.

What a guest wrote is hostile. It reaches the page in two ways: through the template, which escapes
all values, and as JSON, of which the script makes text and never HTML. The content security policy
allows only our own script and style, which it names by their hashes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness.host.files import write_atomically
from harness.report.page import sections
from harness.report.page.html import link, rendered
from harness.report.page.matrix_data import columns, page_data
from harness.report.page.texts import shown
from harness.report.text import summary_line
from harness.results.repetition import full_name
from harness.results.run_comparison import compare
from harness.results.salvaged_run import salvage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.cell import Cell
    from harness.results.bench_figures import BenchFigures
    from harness.results.salvaged_run import SalvagedRun
    from harness.scenarios.corpus import Corpus

PAGE = "report.html"
"""The name of the page in the folder of a run."""

CAMPAIGN_PAGE = "campaign.html"
"""The name of the page in the folder of a campaign."""

_TEMPLATE = Path(__file__).with_name("template.html")


@dataclass(frozen=True)
class Prices:
    """What each defence costs and holds. The first row of a table is its head."""

    rows: Sequence[Sequence[str]]
    trips: str
    """What the round trips in the rows are; empty if there are none."""
    steps: Sequence[Sequence[str]]
    picture: str
    """The steps as an SVG of ours, without a style of its own; empty if there are no steps."""


@dataclass(frozen=True)
class PageContent:
    """What a page shows."""

    new: SalvagedRun
    old: SalvagedRun | None = None
    """The earlier run to compare with."""
    figures: BenchFigures | None = None
    """The cost of the isolation, as measured by `bench`."""
    prices: Prices | None = None
    """The prices of the defences, as measured by `defences`."""
    unsteady: Mapping[Cell, str] = field(default_factory=dict)
    """The cells with other verdicts in other repetitions, and the number of each verdict."""


def write_page(folder: Path, corpus: Corpus) -> Path:
    """Write the page of a run into its folder. Raises OSError and UserError."""
    run, path = salvage(str(folder), root=folder.parent), folder / PAGE
    write_atomically(path, page(PageContent(run), corpus, place=folder))
    return path


def page(content: PageContent, corpus: Corpus, *, place: Path) -> str:
    """Return the page. The links to evidence are relative to `place`, the folder of the file."""
    run, old = content.new.run, content.old
    comparison = compare(old.run, run) if old else None
    data, gaps = page_data(run, corpus, comparison, content.unsteady)
    data["evidence"] = link(run.path, place)
    data["oldEvidence"] = link(old.run.path, place) if old else ""
    name = full_name(run)
    data["run"], data["oldRun"] = name, full_name(old.run) if old else ""
    return rendered(
        _TEMPLATE,
        name=name,
        summary=summary_line(run.cells.values()),
        gaps=[shown(gap) for gap in (*content.new.gaps, *gaps)],
        old_gaps=[shown(gap) for gap in old.gaps] if old else [],
        held=sections.held(run, corpus, columns(run, corpus)),
        difference=sections.difference(comparison) if comparison else None,
        times=sections.times(run, columns(run, corpus)),
        cost=sections.cost(content.figures) if content.figures else None,
        prices=content.prices,
        picture=Markup(content.prices.picture) if content.prices else "",  # noqa: S704 - our own
        facts=sections.facts(run.header),
        campaigns=_campaigns(run.path.parent, place),
        data=_json(data),
    )


def _campaigns(results: Path, place: Path) -> list[tuple[str, str]]:
    """Return the names and addresses of the campaigns in a folder of results."""
    pages = sorted(results.resolve().glob(f"*/{CAMPAIGN_PAGE}"))
    return [(shown(page.parent.name), link(page, place)) for page in pages]


def _json(data: dict[str, Any]) -> Markup:
    """Return JSON that cannot end the script element in which it stands."""
    text = json.dumps(data, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can be markup
