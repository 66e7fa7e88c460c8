# SPDX-License-Identifier: GPL-2.0-only
"""The names of a guest's files: stable, however many devices of a kind there are."""

from __future__ import annotations

import pytest

from harness.surface.node_names import name_of, subsystems_of
from harness.surface.nodes import nodes_in

LINKS = [
    ("/sys/devices/pci0000:00/0000:00:01.0/subsystem", "../../../bus/pci"),
    ("/sys/devices/pci0000:00/0000:00:01.0/virtio0/block/vda/subsystem", "../../../../class/block"),
    ("/sys/devices/system/cpu/cpu0/subsystem", "../../../../bus/cpu"),
]
LISTED = """
644 /proc/51/comm
200 /dev/loop7
200 /dev/loop6
200 /sys/devices/system/cpu/cpu0/hotplug/target
'/sys/devices/system/cpu/cpu0/subsystem' -> '../../../../bus/cpu'
200 /sys/fs/cgroup/surface/cpu.max
755 /sys/fs/cgroup/surface
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/sys/devices/pci0000:00/0000:00:01.0/rescan", "/sys/devices/<pci>/rescan"),
        (
            "/sys/devices/pci0000:00/0000:00:01.0/d3cold_allowed",
            "/sys/devices/<pci>/d3cold_allowed",
        ),
        ("/sys/devices/pci0000:00/0000:00:01.0/resource1", "/sys/devices/<pci>/resource<n>"),
        (
            "/sys/devices/pci0000:00/0000:00:01.0/virtio0/block/vda/queue/scheduler",
            "/sys/devices/<block>/queue/scheduler",
        ),
        ("/sys/devices/system/cpu/cpu0/hotplug/target", "/sys/devices/<cpu>/hotplug/target"),
        ("/sys/devices/pci0000:00/0000:00:01.0/uevent", "/sys/<object>/uevent"),
        ("/sys/bus/pci/drivers/mei_me/uevent", "/sys/<object>/uevent"),
        (
            "/sys/devices/pci0000:00/0000:00:01.0/power/control",
            "/sys/devices/<device>/power/control",
        ),
        ("/sys/bus/pci/drivers/mei_me/unbind", "/sys/bus/<bus>/<driver>/unbind"),
        ("/sys/bus/pci/drivers/mei_me/new_id", "/sys/bus/pci/<driver>/new_id"),
        ("/sys/bus/virtio/drivers_probe", "/sys/bus/<bus>/drivers_probe"),
        ("/sys/firmware/acpi/interrupts/gpe0A", "/sys/firmware/acpi/interrupts/gpe<n>"),
        (
            "/sys/devices/system/memory/hard_offline_page",
            "/sys/devices/system/memory/hard_offline_page",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/hugepages-32kB/enabled",
            "/sys/kernel/mm/transparent_hugepage/hugepages-<n>kB/enabled",
        ),
        ("/sys/kernel/debug/x86/init_pkru", "/sys/kernel/debug/x86/init_pkru"),
        ("/sys/kernel/tracing/per_cpu/cpu3/trace", "/sys/kernel/tracing/per_cpu/cpu<n>/trace"),
        (
            "/sys/kernel/tracing/events/sched/sched_switch/filter",
            "/sys/kernel/tracing/events/<group>/<event>/filter",
        ),
        (
            "/sys/kernel/tracing/events/sched/enable",
            "/sys/kernel/tracing/events/<group>/enable",
        ),
        ("/sys/kernel/tracing/events/enable", "/sys/kernel/tracing/events/enable"),
        ("/proc/irq/24/smp_affinity", "/proc/irq/<n>/smp_affinity"),
        ("/proc/bus/pci/00/1f.2", "/proc/bus/pci/<device>"),
        ("/dev/ttyS0", "/dev/ttyS<n>"),
        ("/dev/ttyp0", "/dev/tty<letter><n>"),
        ("/dev/ptyza", "/dev/pty<letter><n>"),
        ("/dev/cpu/0/msr", "/dev/cpu/<n>/msr"),
        ("/dev/mem", "/dev/mem"),
    ],
)
def test_a_name_is_that_of_its_kind(path: str, name: str) -> None:
    assert name_of(path, subsystems_of(LINKS)) == name


def test_a_name_has_the_first_of_its_files() -> None:
    assert nodes_in(LISTED, 51) == {
        "/dev/loop<n>": "200 /dev/loop6",
        "/proc/<pid>/comm": "644",
        "/sys/devices/<cpu>/hotplug/target": "200 /sys/devices/system/cpu/cpu0/hotplug/target",
        "/sys/fs/cgroup/<group>/cpu.max": "200",
    }
