# SPDX-License-Identifier: GPL-2.0-only
"""The matrix as a picture: every number is there, in letters, in each of the reader's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from kept_runs import keep_run
from outcomes import cell
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.paths import CHECKOUT
from harness.report.heatmap import SHADES, TITLE, description, shade, svg
from harness.report.held_table import TOTAL
from harness.results.held_counts import CENTRAL, HeldCount, count_by_class
from harness.results.recorded_run import read_run
from harness.scenarios.classes import always_counted

if TYPE_CHECKING:
    from pathlib import Path

    from harness.results.held_counts import HeldByClass

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = CHECKOUT / "docs" / "heatmap.svg"


def counted(root: Path, *variants: str) -> HeldByClass:
    keep_run(root, "kept")
    return count_by_class(read_run("kept", root=root), SMALL, variants)


def words(picture: str) -> list[str]:
    """Every text of a picture, in its order."""
    return [str(text.text) for text in ET.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314


def test_each_number_is_written_and_not_only_a_colour(tmp_path: Path) -> None:
    counts = counted(tmp_path, "baseline", "isolated", "kthread")
    said = words(svg(counts))
    assert said[:3] == ["baseline", "isolated", "kthread"]
    for name, row in (*counts.rows.items(), (TOTAL, counts.total)):
        at = said.index(name.partition(":")[0])
        numbers = [f"{row[v].held} / {row[v].run}" if row[v].run else "" for v in said[:3]]
        for number, found in zip(numbers, said[at + 1 : at + 4], strict=True):
            assert found == number or (not number and found in ("n/a", "not run"))


def test_a_screen_reader_has_a_title_and_the_totals(tmp_path: Path) -> None:
    counts = counted(tmp_path, "isolated", "kthread")
    root = ET.fromstring(svg(counts))  # noqa: S314
    named = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("role") == "img"
    assert [named[name] for name in str(root.get("aria-labelledby")).split()] == [
        TITLE,
        description(counts),
    ]
    total = counts.total["isolated"]
    assert f"isolated held {total.held} of {total.run} attacks." in description(counts)


def test_a_variant_that_was_not_run_is_named_below(tmp_path: Path) -> None:
    said = words(svg(counted(tmp_path)))
    assert "smack" not in said
    missing = [name for name in CENTRAL if name not in ("baseline", "isolated", "kthread")]
    assert f"Not run: {', '.join(missing)}." in " ".join(said)


@pytest.mark.parametrize(
    ("held", "run", "shown"),
    [
        (0, 9, "none"),
        (1, 9, "few"),
        (5, 10, "half"),
        (9, 10, "most"),
        (9, 9, "every"),
        (0, 0, "blank"),
    ],
)
def test_a_shade_goes_by_the_share(held: int, run: int, shown: str) -> None:
    assert shade(HeldCount(held=held, run=run)) == shown
    assert shade(None) == "blank"
    assert all(f".{name} {{" in svg_style() for name in (*SHADES, "blank"))


def svg_style() -> str:
    """The style of the picture that is kept."""
    return str(ET.parse(PICTURE).getroot().findtext(f"{SVG}style"))  # noqa: S314


def test_nothing_of_a_guest_gets_through(tmp_path: Path) -> None:
    run = read_run(str(keep_run(tmp_path, "kept")), root=tmp_path)
    name = "a\x1b[2J<script>"
    strange = {cell(name, one.scenario): found for one, found in run.cells.items()}
    picture = svg(count_by_class(type(run)("kept", run.header, strange), SMALL, [name]))
    assert "\x1b" not in picture
    assert "<script>" not in picture


def test_the_command_writes_it(tmp_path: Path) -> None:
    keep_run(tmp_path, "kept")
    file = tmp_path / "heatmap.svg"
    line = ["table", "kept", "--results", str(tmp_path), "--format", "svg", "--output", str(file)]
    assert main(line) == 0
    assert ET.parse(file).getroot().tag == f"{SVG}svg"  # noqa: S314


def test_the_picture_that_is_kept_is_of_this_corpus() -> None:
    """Else: `umd-harness table RUN --format svg --output docs/heatmap.svg`."""
    said = words(PICTURE.read_text())
    names = [name.partition(":")[0] for name in always_counted()]
    assert [word for word in said if word in names] == names
