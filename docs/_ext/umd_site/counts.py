# SPDX-License-Identifier: GPL-2.0-only
"""`python -m umd_site.counts` writes the counts of the runs in docs/runs into the pages with them.

They are the table of docs/explanation/held-attacks.md and docs/heatmap.svg. These are kept in the
repository, because they are read there, too.
"""

from __future__ import annotations

from harness.host.paths import CHECKOUT
from harness.report.heatmap import svg
from harness.report.held_table import markdown
from harness.results.held_counts import HeldByClass, count_by_class
from harness.scenarios.corpus import SHIPPED
from umd_site.findings import evidence

TABLE = CHECKOUT / "docs/explanation/held-attacks.md"
PICTURE = CHECKOUT / "docs/heatmap.svg"
BEGIN, END = "<!-- umd-harness table -->\n", "<!-- end of the table -->\n"


def central() -> HeldByClass:
    """Return the counts of the run with the most cells, and of the others for what it lacks."""
    first, *others = evidence().runs
    return count_by_class(first, SHIPPED, others=others)


def with_table(page: str, counts: HeldByClass) -> str:
    """Return the page with the table between the two comments replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{markdown(counts).rstrip()}\n{end}{after}"


def main() -> None:
    """Write the pages."""
    counts = central()
    TABLE.write_text(with_table(TABLE.read_text(), counts))
    PICTURE.write_text(svg(counts) + "\n")


if __name__ == "__main__":
    main()
