# SPDX-License-Identifier: GPL-2.0-only
"""junit.xml of a run: a suite for each kernel line and variant, a case for each cell."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from harness.host.files import write_atomically
from harness.model.verdict import Verdict
from harness.report.text import explain, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.judge.result import Result


def write_junit(path: Path, results: Iterable[Result], *, rerun: Callable[[Result], str]) -> None:
    """Write the whole file; `rerun` returns the command that runs a cell again. Raises OSError."""
    root = ElementTree.Element("testsuites", name="umd-harness")
    by_suite = sorted(results, key=_suite_name)
    for name, members in groupby(by_suite, key=_suite_name):
        root.append(_suite(name, list(members), rerun))
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    write_atomically(path, content)


def _suite_name(result: Result) -> str:
    return f"{result.cell.line}.{result.cell.variant}"


def _suite(name: str, results: list[Result], rerun: Callable[[Result], str]) -> ElementTree.Element:
    errors = sum(result.verdict is Verdict.ERROR for result in results)
    skipped = sum(_is_skipped(result) for result in results)
    suite = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(results)),
        errors=str(errors),
        failures=str(sum(not result.ok for result in results) - errors),
        skipped=str(skipped),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        suite.append(_case(name, result, rerun))
    return suite


def _case(suite: str, result: Result, rerun: Callable[[Result], str]) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=f"umd-harness.{suite}",
        name=result.cell.scenario,
        time=f"{result.seconds:.3f}",
    )
    if not result.ok:
        kind = "error" if result.verdict is Verdict.ERROR else "failure"
        problem = ElementTree.SubElement(case, kind, type=str(result.verdict))
        problem.set("message", explain(result))
        problem.text = rerun(result)
    elif _is_skipped(result):
        ElementTree.SubElement(case, "skipped", message=visible(result.detail))
    out = ElementTree.SubElement(case, "system-out")
    out.text = f"{result.verdict}: {visible(result.detail)}" if result.detail else result.verdict
    if result.ok and result.hole is not None:
        out.text += f"\nknown hole: {visible(result.hole)}"
    return case


def _is_skipped(result: Result) -> bool:
    """Whether the cell is an expected n/a. It is reported as skipped, with its reason."""
    return result.ok and result.verdict is Verdict.NOT_APPLICABLE
