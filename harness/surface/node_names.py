# SPDX-License-Identifier: GPL-2.0-only
"""Names for the files of sysfs, debugfs, tracefs and /dev: the same for each of several devices.

A file of a device is named after the device's subsystem: `/sys/devices/<pci>/rescan`. Numbers of
CPUs, disks, terminals and events are replaced, too, so that their number changes no name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DEVICES = "/sys/devices/"
_COUNTED = ("/sys/devices/", "/sys/kernel/", "/proc/irq/", "/proc/bus/", "/dev/")
"""Below these, a number counts objects of a kind."""
_NUMBER = re.compile(r"(?<=[A-Za-wyz])\d+(?![A-Za-z])|(?<=[/:-])\d+")
_RULES = (
    # What the driver core does in the same way for each of its objects.
    (re.compile(r"^/sys/.*/uevent$"), "/sys/<object>/uevent"),
    (re.compile(r"^/sys/devices/.*/(power/\w+)$"), r"/sys/devices/<device>/\1"),
    (re.compile(r"^/sys/bus/[^/]+/drivers/[^/]+/((?:un)?bind)$"), r"/sys/bus/<bus>/<driver>/\1"),
    (re.compile(r"^/sys/bus/[^/]+/(drivers_\w+)$"), r"/sys/bus/<bus>/\1"),
    (re.compile(r"^(/sys/bus/[^/]+)/drivers/[^/]+/"), r"\1/<driver>/"),
    (re.compile(r"^(/sys/firmware/acpi/interrupts/gpe)[\dA-F]+$"), r"\1<n>"),
    (re.compile(r"^(/proc/bus/pci)/.*"), r"\1/<device>"),
    (re.compile(r"^(/sys/kernel/tracing/events)/[^/]+/[^/]+/"), r"\1/<group>/<event>/"),
    (re.compile(r"^(/sys/kernel/tracing/events)/[^/<]+/(?!<)"), r"\1/<group>/"),
    (re.compile(r"^/dev/([pt])ty[a-ep-z][\da-f]$"), r"/dev/\1ty<letter><n>"),
)


def subsystems_of(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the subsystem of each device's folder, from the links `FOLDER/subsystem`."""
    return {link.rpartition("/")[0]: target.rpartition("/")[2] for link, target in links}


def name_of(path: str, subsystems: Mapping[str, str]) -> str:
    """Return the name of a file: its path, without what tells devices of a kind apart."""
    if path.startswith(_DEVICES):
        folder = path.rpartition("/")[0]
        while len(folder) > len(_DEVICES) and folder not in subsystems:
            folder = folder.rpartition("/")[0]
        if folder in subsystems:
            path = f"{_DEVICES}<{subsystems[folder]}>{path[len(folder) :]}"
    for pattern, name in _RULES:
        path = pattern.sub(name, path)
    return _NUMBER.sub("<n>", path) if path.startswith(_COUNTED) else path
