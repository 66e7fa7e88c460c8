# SPDX-License-Identifier: GPL-2.0-only
"""One run of make: logged and parsed line by line; all its processes end with it."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.host.commands import check_disk, clean_environment, process_group
from harness.host.errors import DoesNotBuild, UserError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.kernel.source.build_tree import BuildTree

# Fixed, so that one input gives one image and ccache is not missed for a date.
_REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "umd",
    "KBUILD_BUILD_HOST": "harness",
    "KBUILD_BUILD_VERSION": "1",
}
# An empty LOCALVERSION: a git checkout around the cache must not get into the kernel's version.
VARIABLES = ("ARCH=x86", "LOCALVERSION=")
RECIPE = (*VARIABLES, *(f"{name}={value}" for name, value in _REPRODUCIBLE.items()))

_QUIET_LIMIT = 900.0  # seconds without a line; linking with BTF takes under 120 on two cores
_LAST_LINES = 400  # of which one may say that the disk is full
_MAKES = re.compile(r"\s+(CC|AS|LD|AR|HOSTCC|[A-Z]{2,})\s+(?:\[M\]\s+)?(\S+)")
_COMPILED = frozenset({"CC", "AS"})
_CAUSES = (
    re.compile(r":\s(fatal )?error:|undefined reference|: No such file or directory"),
    re.compile(r"^(ERROR|FAILED|BTF)\b.*|^make.*\*\*\*"),
)


@dataclass(frozen=True)
class MadeTarget:
    """A target that make says it makes: the kind of command (CC, LD, …) and the file's name."""

    kind: str
    name: str

    @property
    def is_object(self) -> bool:
        """Whether it is one of the kernel's objects."""
        return self.kind in _COMPILED


def make(
    tree: BuildTree,
    targets: Sequence[str],
    *,
    folder: str = "",
    variables: Mapping[str, str] | None = None,
    follow: Callable[[MadeTarget], None] | None = None,
) -> None:
    """Run make in `tree`, or in a `folder` of its source, with its output appended to `tree.log`.

    `variables` go into the environment, where Kconfig looks for its own. Raises DoesNotBuild
    with the first error line and the log's path.
    """
    compiler = "CC=ccache gcc" if shutil.which("ccache") else "CC=gcc"
    argv = ["make", "--no-print-directory", f"-j{(os.cpu_count() or 1) + 1}"]
    argv += ["-C", str(tree.source / folder), f"O={tree.objects}", compiler, *VARIABLES, *targets]
    env = {**clean_environment(), **_REPRODUCIBLE, **(variables or {})}
    tree.objects.mkdir(parents=True, exist_ok=True)
    said = Said()
    try:
        status = _logged(tree, argv, env, said, follow)
    except OSError as error:
        check_disk(str(error), where=tree.root)
        raise
    if status != 0:
        check_disk("\n".join(said.last), where=tree.root)
        raise DoesNotBuild(
            f"make {' '.join(targets)} failed: {said.cause()}", hint=f"see {tree.log}"
        )


@dataclass
class Said:
    """Lines of make's output that may tell why it failed: the first of each kind, and the end."""

    first: dict[re.Pattern[str], str] = field(default_factory=dict)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))

    def take(self, text: str) -> None:
        """Take the next line."""
        self.last.append(text)
        for pattern in _CAUSES:
            if pattern not in self.first and pattern.search(text):
                self.first[pattern] = text.strip()

    def cause(self) -> str:
        """Return the line that tells most: the first compiler error, or else make's own summary."""
        for pattern in _CAUSES:
            if pattern in self.first:
                return self.first[pattern]
        return self.last[-1].strip() if self.last else "it printed nothing"


def _logged(
    tree: BuildTree,
    argv: Sequence[str],
    env: Mapping[str, str],
    said: Said,
    follow: Callable[[MadeTarget], None] | None,
) -> int:
    """Run the command and return its exit status; `said` takes what it prints."""
    with (
        tree.log.open("a", encoding="utf-8") as log,
        process_group(argv, cwd=tree.root, env=env) as process,
    ):
        log.write("$ " + " ".join(argv) + "\n")
        for text in _lines(process):
            log.write(text + "\n")
            match = _MAKES.match(text)
            if match and follow is not None:
                follow(MadeTarget(match[1], match[2]))
            said.take(text)
        return process.wait(timeout=_QUIET_LIMIT)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield make's output line by line; a silence beyond the limit is an error."""
    assert process.stdout is not None  # noqa: S101 - process_group always gives a pipe
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + _QUIET_LIMIT
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise UserError(
                    f"make printed nothing for {_QUIET_LIMIT:.0f} s and was ended",
                    hint="run the same command again; look at the load of the machine",
                )
            chunk = os.read(process.stdout.fileno(), 65536)
            deadline = time.monotonic() + _QUIET_LIMIT
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if not chunk:
                break
    if rest:
        yield rest.decode(errors="replace")
