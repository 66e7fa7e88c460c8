# SPDX-License-Identifier: GPL-2.0-only
"""The files that programs open and write: those of a process, and all that root can write.

The guest lists them before any attack. If the first line of a file lists words, such as `[none]
core processors platform devices freezer`, programs write these words to the file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from harness.campaign.resources import CONTENTS, FILES, NUMBERS, SCRATCH_CGROUP
from harness.surface.nodes import CELL, enumerate_nodes, listing
from harness.surface.probe import writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from harness.attacker import Attacker
    from harness.lab.lab import Lab

_PATHS, _SCRIPT, _LINES = "/tmp/paths", "/tmp/lines.sh", "/tmp/lines"  # noqa: S108 - the guest's
_READ = f"""
while read -r path; do
    line=
    read -r line <"$path"
    echo "$path $line"
done <{_PATHS} 2>/dev/null
"""
_OPTION = re.compile(r"\[?([A-Za-z][\w.-]*)\]?")
_OPTIONS_MAX = 16
_OF_PIDS: Final = ("procs", "threads", "pid", "tasks")
_OF_ADDRESSES: Final = ("offline_page", "mce-inject/addr")
_OF_FRAMES: Final = ("-pfn",)
_DEPTH = 4
"""How many parts of a path name its group, such as /proc/sys/net."""
_NEVER_WRITTEN = re.compile(
    r"/proc/sysrq-trigger|/proc/sys/kernel/tainted|/proc/bus/pci/.*"
    r"|/dev/(mem|port|cpu/.*|kmem|ttyS\d+|vport\w+|vd\w+|nvram|mcelog)"
    r"|/sys/devices/pci.*/(config|remove|rescan|reset|rom|resource\d*)"
    r"|/sys/(bus|module|firmware)/.*|/sys/kernel/debug/fail.*/probability"
)
"""Files by which root ends the machine or its own connection, or by which the kernel reports a
fault. There would be no verdict."""


class GuestFile(msgspec.Struct, frozen=True):
    """A file of the guest, as a text of programs, and the words that it takes."""

    path: str
    words: tuple[str, ...] = ()


class Files:
    """Chooses files and contents for programs."""

    def __init__(self, found: Iterable[GuestFile] = ()) -> None:
        """Group the guest's files, so that a folder with many is not chosen more often."""
        groups: dict[str, list[GuestFile]] = defaultdict(list)
        for file in found:
            groups["/".join(file.path.split("/")[:_DEPTH])].append(file)
        self._groups = list(groups.values())
        self._words = {file.path: file.words for group in self._groups for file in group}

    def path(self, random: Random) -> str:
        """Return a path: half of them are of the short list, which names the handler's files."""
        if self._groups and random.random() < 0.5:
            return random.choice(random.choice(self._groups)).path
        return random.choice(FILES)

    def content(self, random: Random, path: str) -> str:
        """Return a text to write to a file."""
        if path.endswith(_OF_PIDS) and random.random() < 0.7:
            return "{handler}"
        if path.endswith(_OF_ADDRESSES) and random.random() < 0.7:
            return "{address}"
        if path.endswith(_OF_FRAMES) and random.random() < 0.7:
            return "{frame}"
        if (words := self._words.get(path)) and random.random() < 0.7:
            return random.choice(words)
        return random.choice(CONTENTS) if random.random() < 0.6 else str(random.choice(NUMBERS))


def find_files(lab: Lab) -> list[GuestFile]:
    """Return the files of a guest that root can write. Raises VmLost."""
    with listing(lab) as (attacker, pid):
        nodes = writable(enumerate_nodes(attacker, pid)).values()
        paths = [
            path.replace("<pid>", str(pid)).replace("/sys/fs/cgroup/<group>", CELL)
            for path in nodes
            if not _NEVER_WRITTEN.fullmatch(path)
        ]
        return _read(attacker, paths, pid)


def _read(attacker: Attacker, paths: Sequence[str], pid: int) -> list[GuestFile]:
    readable = [path for path in paths if not path.startswith("/dev/")]
    attacker.write_file(_PATHS, "".join(f"{path}\n" for path in readable).encode(), 0o644)
    attacker.write_file(_SCRIPT, _READ.encode(), 0o644)
    with attacker.open(_LINES, 0o1101, 0o644) as lines:
        attacker.waitpid(attacker.spawn("/bin/busybox", "sh", _SCRIPT, stdout=lines.fd))
    first_lines = dict(
        line.partition(" ")[::2]
        for line in attacker.read_file(_LINES).decode(errors="replace").splitlines()
    )
    return [
        GuestFile(
            path.replace(f"/proc/{pid}/", "/proc/{handler}/").replace(CELL, SCRATCH_CGROUP),
            listed_words(first_lines.get(path, "")),
        )
        for path in paths
    ]


def listed_words(line: str) -> tuple[str, ...]:
    """Return the words that a file's first line lists; none if that is not such a list."""
    words = line.split()
    found = [match[1] for word in words if (match := _OPTION.fullmatch(word))]
    return tuple(found) if 1 < len(words) == len(found) <= _OPTIONS_MAX else ()
