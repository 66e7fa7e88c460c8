# SPDX-License-Identifier: GPL-2.0-only
"""Progress messages of pytest-xdist's workers, which have no terminal, for the controller's."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_EVERY = 0.5  # seconds between looks at the file
_NAME = ".progress"


def progress_file(run: Path) -> Path:
    """Return the file to which the workers of a run append their progress messages."""
    return run / _NAME


def tell(run: Path, text: str) -> None:
    """Append a line for the controller; drop the line if it cannot be written."""
    line = text.replace("\n", " ").encode(errors="backslashreplace") + b"\n"
    try:
        file = os.open(progress_file(run), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        return
    try:
        os.write(file, line)
    except OSError:
        return
    finally:
        os.close(file)


class ProgressRelay:
    """A thread that prints the lines appended to the progress file, until `stop`."""

    def __init__(self, run: Path, reporter: Any) -> None:
        """Watch the folder `run`, which may not exist yet; print to pytest's terminal reporter."""
        self._path = progress_file(run)
        self._reporter = reporter
        self._read = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="umd-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Print the remaining lines and remove the file."""
        self._stopped.set()
        self._thread.join(timeout=10 * _EVERY)
        self._path.unlink(missing_ok=True)

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            self._print_new()
        self._print_new()

    def _print_new(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._reporter.write_line(line)
