# SPDX-License-Identifier: GPL-2.0-only
"""Route: the files of a running guest by which root acts on a task, a cgroup or the system.

Of the events in tracefs, the guest lists one of each group: all of them would take a minute.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.surface.node_names import name_of, subsystems_of
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab.lab import Lab

VARIANT = "baseline"
CELL = "/sys/fs/cgroup/surface"
"""A cgroup that is created to list the files of a cgroup."""
_GROUP = "/sys/fs/cgroup/<group>"

_LIST = r"""
cd /sys/fs/cgroup || exit 1
for name in $(cat cgroup.controllers); do echo +$name >cgroup.subtree_control; done
mkdir -p surface
find /proc/PID /proc/PID/attr -maxdepth 1 -exec stat -c '%a %n' {} +
find /proc/sys /sys/fs/cgroup -maxdepth 1 -type f -perm -200 -exec stat -c '%a %n' {} +
find /proc/sys -mindepth 2 -type f -perm -200 -exec stat -c '%a %n' {} +
find surface -maxdepth 1 -type f -perm -200 -exec stat -c '%a /sys/fs/cgroup/%n' {} +
{
    find /proc -path '/proc/[0-9]*' -prune -o -path /proc/sys -prune -o -type f -perm -200 -print
    find /sys /sys/kernel/debug /sys/kernel/security -xdev -path '*/debug/tracing' -prune -o \
        -type f -perm -200 -print
    find /dev ! -type d ! -type l -perm -200
} | sed 's/^/200 /'
find /sys/devices -name subsystem -exec stat -c '%N' {} +
cd /sys/kernel/tracing/events || exit 1
firsts=
for group in *; do
    for event in "$group"/[!ef]* "$group"/*; do
        case $event in
        */enable | */filter | *\**) ;;
        *)
            firsts="$firsts $PWD/$event"
            break
            ;;
        esac
    done
done
{
    find $firsts -type f -perm -200
    find $PWD -maxdepth 2 -type f -perm -200
    find /sys/kernel/tracing -path $PWD -prune -o -type f -perm -200 -print
} | sed 's/^/200 /'
"""
_LISTED = "/tmp/surface"  # noqa: S108 - the guest's, not ours
_LINE = re.compile(r"^(\d+) (/\S+)$", re.MULTILINE)
_LINK = re.compile(r"^'(/\S+)' -> '(\S+)'$", re.MULTILINE)
_KNOWN = (
    "/proc/<pid>/mem",
    "/proc/sys/kernel/panic",
    "/proc/sysrq-trigger",
    "/sys/power/state",
    "/dev/mem",
)
"""Files of each list: a list without them is not whole."""
_LIST_SECONDS = 900.0


@contextmanager
def listing(lab: Lab) -> Iterator[tuple[Attacker, int]]:
    """Yield the agent of a guest that nothing has attacked, and the handler's pid.

    Raises VmLost.
    """
    with lab.machine(VARIANT) as machine:
        witness = Witness(machine, lab.images(VARIANT).kernel)
        pid = witness.read().pid
        with Channel(
            machine.agent_socket(), attempt_seconds=_LIST_SECONDS, reply_seconds=_LIST_SECONDS
        ) as channel:
            yield Attacker(channel, lab.images(VARIANT).guest), pid


def find_nodes(lab: Lab) -> dict[str, str]:
    """Return files with their modes: the handler's in procfs, and writable files elsewhere.

    The guest itself lists them, and is believed: nothing has attacked it yet. Raises VmLost.
    """
    with listing(lab) as (attacker, pid):
        return enumerate_nodes(attacker, pid)


def enumerate_nodes(attacker: Attacker, pid: int) -> dict[str, str]:
    """List the guest's files by a shell in the guest. Raises VmLost if the list is not whole."""
    attacker.write_file(f"{_LISTED}.sh", _LIST.replace("PID", str(pid)).encode(), mode=0o755)
    with attacker.open(_LISTED, 0o1101, 0o644) as listed:
        shell = attacker.spawn(
            "/bin/busybox", "sh", f"{_LISTED}.sh", stdout=listed.fd, env={"PATH": "/bin:/sbin"}
        )
        attacker.waitpid(shell)
    found = nodes_in(attacker.read_file(_LISTED).decode(errors="replace"), pid)
    if missing := [name for name in _KNOWN if name not in found]:
        raise VmLost(f"the guest lists {len(found)} files, but not {', '.join(missing)}")
    return found


def nodes_in(listed: str, pid: int) -> dict[str, str]:
    """Return the files of a list by name: the mode, and the first path unless that is the name."""
    subsystems = subsystems_of(_LINK.findall(listed))
    found: dict[str, str] = {}
    for mode, path in sorted(_LINE.findall(listed), key=itemgetter(1)):
        if path in (f"/proc/{pid}", CELL):
            continue
        known = path.replace(f"/proc/{pid}/", "/proc/<pid>/").replace(CELL, _GROUP)
        name = name_of(known, subsystems)
        found.setdefault(name, mode if name == known else f"{mode} {path}")
    return dict(sorted(found.items()))
