# SPDX-License-Identifier: GPL-2.0-only
"""SELinux in the Debian guest: the policy that systemd loads, and the labels of its files.

The root directory is made in a user namespace, where `security.selinux` cannot be set, and mke2fs
takes no such label from a tarball. So debugfs writes the labels to the disk. The guest's own
`matchpathcon` determined them.
"""

from __future__ import annotations

import bz2
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.guests.policies import POLICY_VERSION, REFERENCE, compile_on_reference, selinux_sources
from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LABELS = "/usr/lib/umd/labels"
_MODULE = re.compile(r"/var/lib/selinux/default/active/modules/\d+/[^/]+/cil")
_POLICY = re.compile(r"/etc/selinux/default/policy/policy\.\d+")
_NONE = "<<none>>"
_COMPLAINT = re.compile(r"^(?!debugfs[: ]|Allocated inode: ).+", re.MULTILINE)
"""What debugfs says beside its version, its orders and the places of new files."""
_SECONDS = 600.0


@dataclass(frozen=True)
class _Found:
    """What a root directory has: the reference policy's source and file, and each path's label."""

    reference: bytes
    policy: str
    labels: Mapping[str, str]


def add_policy(tarball: Path, disk: Path, scratch: Path) -> None:
    """Put into the disk made from a tarball a policy with ours on top, and all labels.

    Raises UserError.
    """
    found = _read(tarball)
    rules, reference, commands = (scratch / name for name in ("rules", "reference", "commands"))
    rules.write_bytes(compile_on_reference(found.reference, *selinux_sources("debian")))
    reference.write_bytes(bz2.compress(found.reference))
    for path in (rules, reference):
        path.chmod(0o644)
    policy = re.sub(r"\d+$", POLICY_VERSION, found.policy)
    labels = {
        **found.labels,
        policy: found.labels[found.policy],
        REFERENCE: found.labels[_LABELS],
    }
    lines = [
        *(f"rm {path}" for path in (found.policy, _LABELS)),
        *_written({policy: rules, REFERENCE: reference}),
        *(
            f'ea_set "{path}" security.selinux {context}'
            for path, context in labels.items()
            if path not in {found.policy, _LABELS} - {policy}
        ),
    ]
    commands.write_text("".join(f"{line}\n" for line in lines))
    said = output_of(["debugfs", "-w", "-f", str(commands), str(disk)], deadline=_SECONDS)[1]
    if complaint := _COMPLAINT.search(said):
        raise UserError(
            f"debugfs could not label the disk: {complaint[0].strip()}",
            hint="mend what it names, then try again",
        )


def _written(files: Mapping[str, Path]) -> Iterator[str]:
    """Yield debugfs's commands that copy files into the disk: to where it stands."""
    for target, source in files.items():
        folder, _, name = target.rpartition("/")
        yield from (f"cd {folder}", f"write {source} {name}", "cd /")


def _read(tarball: Path) -> _Found:
    modules, labels, policy, there = [], {}, "", set()
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = member.name.removeprefix(".")
            there.add(name.rstrip("/") or "/")
            file = archive.extractfile(member) if member.isreg() else None
            if file and _MODULE.fullmatch(name):
                modules.append(bz2.decompress(file.read()))
            elif file and _POLICY.fullmatch(name):
                policy = name
            elif file and name == _LABELS:
                pairs = (line.split("\t") for line in file.read().decode().splitlines())
                labels = {path: context for path, context in pairs if context != _NONE}
    if not (modules and policy in labels):
        raise UserError(
            "the Debian guest got no policy for SELinux",
            hint="look whether its package selinux-policy-default is what it was",
        )
    # mmdebstrap takes some files away after the last hook.
    labels = {path: context for path, context in labels.items() if path in there}
    return _Found(b"".join(modules), policy, labels)
