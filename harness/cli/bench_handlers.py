# SPDX-License-Identifier: GPL-2.0-only
"""The measurements of `umd-harness bench` that take a lab with one handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cli.chosen import chosen_kernel
from harness.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.cli.options import KernelOptions
    from harness.lab.lab import Lab
    from harness.results.bench_figures import StudyFigures
    from harness.studies.cut_short import CutShort

    Measured = tuple[list[str], dict[str, Any], CutShort | None]
    """Lines to print, fields of the figures, and why the study ended early."""


@dataclass(frozen=True)
class Study:
    """A measurement, the kernel that it takes, and the file for its figures."""

    kernel: KernelOptions
    output: Path | None

    def handlers(self, rounds: int | None, corpora: Sequence[str]) -> int:
        """Time files in the handlers that parse, and in the kernel. Raises UserError."""
        from harness.model.handlers import PKCS7
        from harness.results.bench_figures import ParserFigures
        from harness.studies.cut_short import kept
        from harness.studies.parser_cost import MACHINES, SAMPLES, corpus_sample, lines, parser_cost
        from harness.studies.round_trip import ISOLATED, check_pairs

        machines = rounds or MACHINES
        check_pairs(machines, "machines")
        samples = tuple(map(corpus_sample, corpora)) or SAMPLES

        def measure(lab: Lab, progress: Callable[[str], None]) -> Measured:
            (files, locked), cut = kept(
                lambda: parser_cost(lab, machines=machines, progress=progress, samples=samples)
            )
            return lines(files, locked), {"files": files, "locked_kib": locked}, cut

        return self._study([ISOLATED], PKCS7.name, measure, ParserFigures)

    def fresh(self, rounds: int | None) -> int:
        """Count the instructions of a request with a handler of its own. Raises UserError."""
        from harness.model.handlers import HASH
        from harness.results.bench_figures import FreshFigures
        from harness.studies.cut_short import kept
        from harness.studies.fresh_cost import MACHINES, fresh_cost
        from harness.studies.round_trip import ISOLATED, check_pairs

        machines = rounds or MACHINES
        check_pairs(machines, "machines")

        def measure(lab: Lab, progress: Callable[[str], None]) -> Measured:
            found, cut = kept(lambda: fresh_cost(lab, machines=machines, progress=progress))
            return [str(found)], vars(found), cut

        return self._study([ISOLATED], HASH.name, measure, FreshFigures)

    def parser_bug(self) -> int:
        """Show what a file can do that exploits a parser. Raises UserError."""
        from harness.model.handlers import PKCS7
        from harness.results.bench_figures import BugFigures
        from harness.studies.cut_short import kept
        from harness.studies.parser_bug import HEAD, SETTINGS, parser_bug

        def measure(lab: Lab, progress: Callable[[str], None]) -> Measured:
            found, cut = kept(lambda: parser_bug(lab, progress=progress))
            fields = {"settings": tuple(cost.figures() for cost in found)}
            return [HEAD, *map(str, found)], fields, cut

        return self._study(
            sorted({one.variant for one in SETTINGS}), PKCS7.name, measure, BugFigures
        )

    def _study(
        self,
        variants: list[str],
        handler: str,
        measure: Callable[[Lab, Callable[[str], None]], Measured],
        figures: Callable[..., StudyFigures],
    ) -> int:
        """Measure in a lab with this handler, and print the lines. Raises UserError."""
        from harness.lab.lab import Lab
        from harness.report.terminal import console, progress_line
        from harness.results.bench_figures import FIGURES_SCHEMA
        from harness.run.provenance import facts_of_lab
        from harness.scenarios.corpus import SHIPPED
        from harness.studies.figures import write_study

        corpus = SHIPPED.with_handler(handler)
        kernel = chosen_kernel(self.kernel, corpus, variants)
        with progress_line(console()) as progress:
            lab = Lab.open(
                kernel.line, variants, progress=progress, choice=kernel.choice, corpus=corpus
            )
            lines, fields, cut = measure(lab, progress)
        for text in lines:
            say(text)
        if self.output:
            fields["facts"] = facts_of_lab(lab, kernel.choice, variants)
            found = figures(schema=FIGURES_SCHEMA, line=kernel.line, **fields)
            write_study(self.output, found, cut)
        if cut:
            raise cut
        return 0
