# SPDX-License-Identifier: GPL-2.0-only
"""The image engine's machine: its disk, its keys, and the content of its initramfs."""

from __future__ import annotations

import shutil
import stat
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from engine_parts import guest, kernel, module
from plain_machine import PLAIN
from told_of_engines import check_told

from harness.cache.integrity import seal
from harness.engines import ENGINES, image
from harness.engines.debian_boot import debian_boot
from harness.guests.debian import recipe_key
from harness.guests.policies import smack_policy
from harness.host.errors import UserError
from harness.host.paths import cache_dir
from harness.vm.forwarding import card

if TYPE_CHECKING:
    from pathlib import Path

    from harness.guests.initramfs import GuestImage
    from harness.vm.spec import MachineSpec

IMAGE = ENGINES["image"]


@pytest.fixture(autouse=True)
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an empty disk."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = cache_dir() / "debian" / recipe_key()
    place.mkdir(parents=True)
    for name in ("disk.raw", "empty.qcow2", "packages.txt"):
        (place / name).write_bytes(b"made")
    seal(place)
    return place


@pytest.fixture
def made(tmp_path: Path) -> GuestImage:
    """A guest image with empty modules."""
    (tmp_path / "modules").mkdir()
    for name, depends in (
        ("ext4", "jbd2,mbcache"),
        ("jbd2", ""),
        ("mbcache", ""),
        ("crc32c_generic", ""),
        ("virtio_net", "net_failover"),
        ("net_failover", "failover"),
        ("failover", ""),
        ("umd_witness_loader", ""),
    ):
        module(tmp_path / "modules", name, depends=depends)
    (tmp_path / "agent").write_bytes(b"agent")
    return guest(tmp_path)


def spec_of(made: GuestImage, tmp_path: Path, *, interactive: bool = False) -> MachineSpec:
    return IMAGE.spec(
        PLAIN,
        kernel(tmp_path, "EXT4_FS", "VIRTIO_BLK", "VIRTIO_NET"),
        made,
        interactive=interactive,
    )


def unpacked(archive: Path, place: Path) -> Path:
    place.mkdir()
    with archive.open("rb") as file:
        # Without its device node, which only root can create.
        subprocess.run(
            ["cpio", "--extract", "--quiet", "--no-preserve-owner", "--nonmatching", "dev/*"],
            cwd=place,
            stdin=file,
            check=True,
        )
    return place


def test_the_machine_has_the_disk_the_card_and_a_way_to_its_agent(
    made: GuestImage, tmp_path: Path, disk: Path
) -> None:
    spec = spec_of(made, tmp_path)
    assert spec.disk is not None
    assert (spec.disk.base, spec.disk.empty) == (disk / "disk.raw", disk / "empty.qcow2")
    assert spec.devices[:2] == ("-netdev", card(image.SSH_PORT)[1])
    check_told("image", spec)
    assert spec.connect is not None
    assert spec.cmdline.startswith(f"{PLAIN.cmdline} ")
    assert spec.initramfs != PLAIN.initramfs
    assert spec.kernel == PLAIN.kernel
    shell = spec_of(made, tmp_path, interactive=True)
    assert shell == replace(spec, cmdline=f"{spec.cmdline} umd.shell", connect=shell.connect)


def test_it_takes_a_kernel_that_mounts_the_disk_and_drives_the_card(
    made: GuestImage, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="needs a kernel with EXT4_FS, VIRTIO_NET"):
        IMAGE.spec(PLAIN, kernel(tmp_path, "VIRTIO_BLK"), made, interactive=False)


def test_the_disk_and_the_keys_decide_what_a_state_is_of(
    made: GuestImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [spec_of(made, tmp_path).guest_key, spec_of(made, tmp_path).guest_key]
    assert keys[0] == keys[1]
    shutil.rmtree(debian_boot(made).directory)
    keys.append(spec_of(made, tmp_path).guest_key)
    monkeypatch.setattr(image, "debian_image", lambda progress: _other(progress))
    keys.append(spec_of(made, tmp_path).guest_key)
    assert len(set(keys)) == 3


def _other(_: object) -> object:
    from harness.guests.debian import DebianImage

    return DebianImage("other", cache_dir())


def test_drivers_load_in_order_and_the_kernels_modules_come_along(
    made: GuestImage, tmp_path: Path
) -> None:
    root = unpacked(debian_boot(made).initramfs, tmp_path / "root")
    order = (root / "drivers/order").read_text().split()
    assert set(order) == {path.name for path in made.modules} - {"umd_witness_loader.ko"}
    for first, then in (
        ("jbd2", "ext4"),
        ("mbcache", "ext4"),
        ("failover", "net_failover"),
        ("net_failover", "virtio_net"),
    ):
        assert order.index(f"{first}.ko") < order.index(f"{then}.ko")
    brought = {path.name for path in (root / "umd/modules").iterdir()}
    assert brought == {path.name for path in made.modules}
    assert (root / "umd/agent").read_bytes() == b"agent"


def test_smacks_policy_comes_along_with_the_labels_of_a_debian(
    made: GuestImage, tmp_path: Path
) -> None:
    root = unpacked(debian_boot(made).initramfs, tmp_path / "root")
    for name, content in smack_policy("debian").items():
        assert (root / "umd/policy" / name).read_bytes() == content
    assert smack_policy("debian") != smack_policy("microvm")


def test_the_private_key_that_logs_in_stays_here(made: GuestImage, tmp_path: Path) -> None:
    boot = debian_boot(made)
    private = boot.directory / "client_key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(boot.directory.stat().st_mode) == 0o700
    root = unpacked(boot.initramfs, tmp_path / "root")
    secret = private.read_bytes().splitlines()[2]
    assert not [path for path in root.rglob("*") if path.is_file() and secret in path.read_bytes()]
    named = (root / "umd/ssh/authorized_keys").read_text()
    assert named == f"ssh-ed25519 {boot.login.key.get_base64()}\n"
    assert boot.login.key != boot.login.host
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", root / "umd/ssh/host_key"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split()[1] == boot.login.host.get_base64()


def test_each_guest_image_has_keys_of_its_own_which_stay(made: GuestImage, tmp_path: Path) -> None:
    first, again = debian_boot(made), debian_boot(made)
    assert first.login == again.login
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "modules", other / "modules")
    shutil.copy(made.agent, other)
    assert debian_boot(replace(guest(other), key="h")).login.host != first.login.host


def test_a_key_that_was_changed_is_made_anew_with_all_that_knows_it(made: GuestImage) -> None:
    first = debian_boot(made)
    login = first.login
    shutil.copy(first.directory / "host_key", first.directory / "client_key")
    again = debian_boot(made)
    assert again.login.key != login.key
    assert again.login.host != login.host


@pytest.mark.parametrize("missing", image.TOOLS)
def test_a_tool_that_is_missing_is_named(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in image.TOOLS.keys() - {missing}:
        (folder / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match=f"{missing} is not installed; apt-get install"):
        IMAGE.check()
