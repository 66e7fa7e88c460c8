# SPDX-License-Identifier: GPL-2.0-only
"""The engines: the machine that each specifies, and the cells on which they are compared."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from engine_cells import FEW, classes, few, many
from engine_parts import guest, kernel, module
from plain_machine import PLAIN
from told_of_engines import check_told, told

from harness.engines import ENGINES, MICROVM, virtme
from harness.engines.drivers import load_order
from harness.engines.virtme import SHARED, Virtme
from harness.host.errors import UserError
from harness.vm.boot_files import copy_boot_files

if TYPE_CHECKING:
    from pathlib import Path

    from harness.vm.spec import MachineSpec


@pytest.fixture
def spec(tmp_path: Path) -> MachineSpec:
    """The virtme engine's machine; its initramfs is made from empty modules."""
    (tmp_path / "modules").mkdir()
    for name, depends in (("9p", "9pnet"), ("9pnet", ""), ("9pnet_virtio", "9pnet")):
        module(tmp_path / "modules", name, depends=depends)
    module(tmp_path / "modules", "overlay", depends="")
    if not virtme.virtme_version():
        pytest.fail(f"virtme-ng is not installed: {virtme.INSTALL}")
    image = kernel(tmp_path, "9P_FS", "NET_9P_VIRTIO", "OVERLAY_FS")
    return Virtme().spec(PLAIN, image, guest(tmp_path), interactive=False)


def test_the_default_engine_boots_the_machine_as_it_is(tmp_path: Path) -> None:
    images = kernel(tmp_path), guest(tmp_path)
    assert MICROVM.spec(PLAIN, *images, interactive=False) == PLAIN
    for_person = MICROVM.spec(PLAIN, *images, interactive=True)
    assert for_person == replace(PLAIN, cmdline="umd_isolation=on umd.shell")


def test_an_engine_is_called_what_it_is_listed_as() -> None:
    assert {name: engine.name for name, engine in ENGINES.items()} == dict(
        zip(ENGINES, ENGINES, strict=True)
    )


def test_what_a_guest_reaches_is_told_of_each_engine(spec: MachineSpec, tmp_path: Path) -> None:
    assert list(told()) == list(ENGINES)
    check_told("microvm", MICROVM.spec(PLAIN, kernel(tmp_path), guest(tmp_path), interactive=False))
    check_told("virtme", spec)


def test_a_false_word_about_an_engine_is_seen(spec: MachineSpec) -> None:
    for engine in ("microvm", "image"):
        with pytest.raises(AssertionError):
            check_told(engine, spec)


def test_virtme_takes_a_kernel_that_mounts_what_is_shared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a kernel with 9P_FS, NET_9P_VIRTIO"):
        Virtme().spec(PLAIN, kernel(tmp_path, "OVERLAY_FS"), guest(tmp_path), interactive=False)


def test_virtme_shares_nothing_that_can_be_written(spec: MachineSpec) -> None:
    shares = [words for words in spec.devices if words.startswith("local,")]
    assert len(shares) == 2
    assert all("readonly=on" in share.split(",") for share in shares)
    assert not [word for word in spec.arguments() if "readonly=off" in word or "-virtfs" in word]


def test_virtme_lets_qemu_open_software_and_list_the_rest(spec: MachineSpec) -> None:
    rules = spec.reach()
    assert "path-beneath:read-dir:/" in rules
    opened = {rule.rpartition(":")[2] for rule in rules if "read-file" in rule}
    assert opened <= set(SHARED)
    assert {"/usr", "/etc"} <= opened
    assert not [rule for rule in rules if "write" in rule or "make" in rule]


def test_virtme_keeps_the_policy_under_test(spec: MachineSpec) -> None:
    words = shlex.split(spec.append)
    assert "umd_isolation=on" in words
    # Everything behind `--` is an argument of init: no kernel parameter may follow.
    [first] = [place for place, word in enumerate(words) if word.startswith("init=")]
    assert words[first + 1 : first + 4] == ["--", "sh", "-c"]
    assert len(words) == first + 6


def test_virtme_brings_agent_and_modules(spec: MachineSpec, tmp_path: Path) -> None:
    brought = dict(spec.files)
    assert brought["share/agent"] == tmp_path / "agent"
    assert brought["share/modules/9p.ko"] == tmp_path / "modules" / "9p.ko"


def test_virtme_ng_must_be_there_and_new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    Virtme().check()
    monkeypatch.setattr(virtme, "virtme_version", lambda: "1.9")
    with pytest.raises(UserError, match=r"1\.9 is older than 1\.42"):
        Virtme().check()
    monkeypatch.setattr(virtme, "virtme_version", lambda: "")
    with pytest.raises(UserError, match="not installed"):
        Virtme().check()


def test_modules_load_after_those_they_need(tmp_path: Path) -> None:
    modules = [
        module(tmp_path, "virtio-fs", depends="fuse"),
        module(tmp_path, "fuse", depends=""),
        module(tmp_path, "ext4", depends="jbd2,mbcache"),
        module(tmp_path, "jbd2", depends=""),
        module(tmp_path, "mbcache", depends=""),
    ]
    names = [path.stem for path in load_order(modules, ["ext4", "virtio_fs"])]
    assert sorted(names) == sorted(path.stem for path in modules)
    assert names.index("fuse") < names.index("virtio-fs")
    assert max(map(names.index, ("jbd2", "mbcache"))) < names.index("ext4")


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no module netfs"):
        load_order([module(tmp_path, "9p", depends="netfs")], ["9p"])
    (tmp_path / "9p.ko").write_text("no module")
    with pytest.raises(UserError, match=r"9p\.ko is not a module"):
        load_order([tmp_path / "9p.ko"], ["9p"])


def test_a_machine_gets_its_files_where_they_are_named(tmp_path: Path) -> None:
    for name in ("bzImage", "initramfs.cpio", "one.ko"):
        (tmp_path / name).write_text(name)
    place = tmp_path / "machine"
    place.mkdir()
    copy_boot_files(
        place,
        replace(
            PLAIN,
            kernel=tmp_path / "bzImage",
            initramfs=tmp_path / "initramfs.cpio",
            files=(("share/modules/one.ko", tmp_path / "one.ko"),),
        ),
    )
    assert (place / "kernel").read_text() == "bzImage"
    assert (place / "share" / "modules" / "one.ko").read_text() == "one.ko"


def test_engines_are_compared_by_forty_attacks_of_every_class() -> None:
    attacks = {cell.scenario for cell in many()}
    assert len(attacks) >= 40
    assert all(any(one.name in attacks for one in ones) for ones in classes().values())
    assert len({cell.scenario for cell in few()}) == FEW
    assert set(few()) < set(many())
