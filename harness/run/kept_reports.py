# SPDX-License-Identifier: GPL-2.0-only
"""The reports that the folder of a run keeps: junit.xml, matrix.txt and report.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.report.junit import write_junit
from harness.report.page.page import write_page
from harness.report.run_report import write_matrix

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.finished_run import FinishedRun


class KeptReports:
    """Writes the reports of a run that has ended. The methods raise OSError."""

    def __init__(self, run: FinishedRun) -> None:
        """Write nothing yet."""
        self._run = run
        self.matrix = run.where / "matrix.txt"
        self.page: Path | None = None
        """The page, once it is written."""

    @property
    def are_written(self) -> bool:
        """Whether all reports are there. There is no page of a run without results."""
        is_page_there = bool(self.page or not self._run.results)
        return self._junit.is_file() and self.matrix.is_file() and is_page_there

    @property
    def _junit(self) -> Path:
        return self._run.where / "junit.xml"

    def write(self) -> None:
        """Write junit.xml and matrix.txt."""
        write_junit(self._junit, self._run.ordered, rerun=self._run.rerun)
        write_matrix(self.matrix, self._run)

    def write_page(self) -> None:
        """Write report.html from the files of the run; run.json says by then that it has ended.

        Without a result on the disk there is no page: the ledger says why.
        """
        try:
            self.page = write_page(self._run.where, self._run.corpus)
        except UserError:
            return
