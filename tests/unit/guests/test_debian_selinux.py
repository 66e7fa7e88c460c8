# SPDX-License-Identifier: GPL-2.0-only
"""SELinux on the Debian guest's disk: its policy is there, each file has its label, or it fails."""

from __future__ import annotations

import bz2
import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.guests import debian_selinux as module
from harness.guests.debian_selinux import add_policy
from harness.guests.policies import POLICY_VERSION, REFERENCE
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "/etc/selinux/default/policy"
STORE = "/var/lib/selinux/default/active/modules/100"
LABELS = f"""\
/\tsystem_u:object_r:root_t:s0
/etc/a file\tsystem_u:object_r:etc_t:s0
/proc\t<<none>>
{FOLDER}/policy.34\tsystem_u:object_r:policy_config_t:s0
/usr/lib/umd/labels\tsystem_u:object_r:bin_t:s0
"""
ROOT = {
    "/etc/a file": b"text",
    "/proc/none": b"",
    f"{FOLDER}/policy.34": b"Debian's",
    f"{STORE}/base/cil": bz2.compress(b"(base)\n"),
    f"{STORE}/ssh/cil": bz2.compress(b"(ssh)\n"),
    f"{STORE}/ssh/hll": b"not this one",
    "/usr/lib/umd/labels": LABELS.encode(),
}


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that only says what it was given."""

    def compiled(reference: bytes, *sources: Path) -> bytes:
        return reference + " ".join(sorted(path.name for path in sources)).encode()

    monkeypatch.setattr(module, "compile_on_reference", compiled)


def made(tmp_path: Path, files: Mapping[str, bytes]) -> tuple[Path, Path]:
    """A root directory with these files, and the disk made from it."""
    tarball, disk = tmp_path / "root.tar", tmp_path / "disk.raw"
    with tarfile.open(tarball, "w") as archive:
        folders = {str(folder) for name in files for folder in Path(name).parents}
        for name in sorted(folders):
            folder = tarfile.TarInfo(f".{name}")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, data in files.items():
            member = tarfile.TarInfo(f".{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tarball, disk, "8M"], check=True)
    return tarball, disk


def asked(disk: Path, request: str) -> bytes:
    command = ["debugfs", "-R", request, str(disk)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def label_of(disk: Path, path: str) -> str:
    found = re.search(rb'security\.selinux \(\d+\) = "(.*)"', asked(disk, f'ea_list "{path}"'))
    return found[1].decode() if found else ""


def test_the_disk_has_a_policy_with_ours_on_top_and_all_labels(tmp_path: Path) -> None:
    tarball, disk = made(tmp_path, ROOT)
    add_policy(tarball, disk, tmp_path)
    policy = f"{FOLDER}/policy.{POLICY_VERSION}"
    rules = asked(disk, f"cat {policy}")
    assert rules.startswith(b"(base)\n(ssh)\n")
    assert {b"umd.cil", b"debian.cil", b"neverallow.cil"} <= set(rules.split())
    assert b"base.cil" not in rules.split(), "microvm's own"
    assert label_of(disk, policy) == "system_u:object_r:policy_config_t:s0"
    assert not asked(disk, f"cat {FOLDER}/policy.34"), "the newer one would be taken"
    assert bz2.decompress(asked(disk, f"cat {REFERENCE}")) == b"(base)\n(ssh)\n"
    assert label_of(disk, REFERENCE) == "system_u:object_r:bin_t:s0"
    assert label_of(disk, "/") == "system_u:object_r:root_t:s0"
    assert label_of(disk, "/etc/a file") == "system_u:object_r:etc_t:s0"
    assert not label_of(disk, "/proc")


@pytest.mark.parametrize("lacking", [f"{STORE}/", FOLDER, "/usr/lib/umd/labels"])
def test_a_guest_without_a_policy_is_refused(tmp_path: Path, lacking: str) -> None:
    files = {name: data for name, data in ROOT.items() if not name.startswith(lacking)}
    tarball, disk = made(tmp_path, files)
    with pytest.raises(UserError, match="got no policy for SELinux"):
        add_policy(tarball, disk, tmp_path)


def test_a_file_that_went_after_its_label_was_asked_for_is_left_out(tmp_path: Path) -> None:
    files = {**ROOT, "/usr/lib/umd/labels": f"{LABELS}/gone\tx:y:z\n".encode()}
    tarball, disk = made(tmp_path, files)
    add_policy(tarball, disk, tmp_path)
    assert label_of(disk, "/etc/a file") == "system_u:object_r:etc_t:s0"


def test_what_debugfs_complains_of_is_told(tmp_path: Path) -> None:
    tarball, disk = made(tmp_path, ROOT)
    subprocess.run(["debugfs", "-w", "-R", 'rm "/etc/a file"', disk], check=True)
    with pytest.raises(UserError, match="could not label the disk: /etc/a file: File not found"):
        add_policy(tarball, disk, tmp_path)
