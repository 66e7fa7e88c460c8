# SPDX-License-Identifier: GPL-2.0-only
"""Where a command's text goes: to standard output, or to a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.output_paths import check_output_file

if TYPE_CHECKING:
    from pathlib import Path


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def warn(text: str) -> None:
    """Print a line to standard error: a warning, or where a program has standard output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write_report(text: str, path: Path | None) -> None:
    """Write a report to the file, or print it if there is none. Raises UserError."""
    if path is None:
        say(text)
        return
    check_output_file(path)
    try:
        path.write_text(text + "\n", errors="backslashreplace")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --output"
        ) from error
