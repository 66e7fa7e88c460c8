# SPDX-License-Identifier: GPL-2.0-only
"""`shell`: what is typed wrongly is one line, what keys are the guest's, and what boots."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command_line import umd_harness

from harness.brought.scenario_files import load_scenario_files
from harness.host.errors import UserError
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED
from harness.shell.boot import qemu_arguments
from harness.shell.keyboard import unescaped
from harness.shell.session import chosen_scenario
from harness.vm.debugger import debugger
from harness.vm.spec import MachineSpec

SPEC = MachineSpec(
    name="6.12-isolated",
    kernel=Path("bzImage"),
    kernel_key="k",
    initramfs=Path("initramfs"),
    guest_key="g",
    cmdline="umd_isolation=on umd.shell",
)
OWN = """
from harness.scenarios import Effect, scenario
for name in {names}:
    def attack(attacker, handler):
        "Do nothing."
    attack.__name__ = name
    scenario(effect=Effect.NONE, surface="proc-mem-write", answers=())(attack)
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--variant", "seccomp"], "there is no variant 'seccomp'; did you mean seccomp-strict"),
        (["--prepare", "absent"], "there is no scenario 'absent'; `umd-harness list` names them"),
        (["--scenario", "absent.py"], "absent.py; name a file that ends in .py"),
        (["--at", "after"], "--at says where in a scenario; name it with --prepare"),
        (["--prepare", "nothing", "--boot"], "starts from a machine that is up; leave out --boot"),
        (["--copy", "absent", "--", "true"], "cannot copy absent: No such file or directory; name"),
        (["--copy", ".", "--", "true"], "cannot copy .: Is a directory; name a file"),
        (["--boot", "--copy", "x"], "files are copied into a machine that is up; leave out --boot"),
        (
            ["--prepare", "escape_openat", "--variant", "kthread"],
            "escape_openat is n/a on kthread: code inside a kernel thread is kernel code",
        ),
        ([], "shell needs a terminal, and standard input or output is none"),
    ],
    ids=["variant", "name", "file", "at", "boot", "copy", "dir", "both", "na", "no-terminal"],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = umd_harness(tmp_path, "shell", *arguments, whole=True)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_users_own_is_prepared_for_if_it_is_alone(tmp_path: Path) -> None:
    for name in ("one", "first second"):
        (tmp_path / f"{name[:3]}.py").write_text(OWN.format(names=name.split()))
    corpus = load_scenario_files([tmp_path / "one.py"], SHIPPED)
    assert chosen_scenario(corpus, None) is corpus.scenarios["one"]
    assert chosen_scenario(corpus, "proc_mem_write") is SCENARIOS["proc_mem_write"]
    corpus = load_scenario_files([tmp_path / "fir.py"], SHIPPED)
    with pytest.raises(UserError, match="name one with --prepare: first, second"):
        chosen_scenario(corpus, None)
    assert chosen_scenario(corpus, "second") is corpus.scenarios["second"]
    assert chosen_scenario(SHIPPED, None) is None


@pytest.mark.parametrize(
    ("typed", "sent", "is_escaped"),
    [
        (b"ls -x\r\x03", b"ls -x\r\x03", False),
        (b"a\x01x", None, False),
        (b"a\x01", b"a", True),
        (b"\x01\x01x", b"\x01x", False),
        (b"\x01bx", b"bx", False),
    ],
)
def test_ctrl_a_x_alone_is_not_the_guests(
    typed: bytes, sent: bytes | None, is_escaped: bool
) -> None:
    assert unescaped(typed, is_escaped=False) == (sent, is_escaped)
    # The same, key by key.
    keys: bytes | None = b""
    state = False
    for at in range(len(typed)):
        came, state = unescaped(typed[at : at + 1], is_escaped=state)
        keys = None if came is None or keys is None else keys + came
    assert (keys, state) == (sent, is_escaped)


def test_the_console_is_the_terminal_and_ctrl_a_x_ends_a_guest_that_hangs() -> None:
    arguments = qemu_arguments(SPEC)
    chardevs = [arguments[place + 1] for place, word in enumerate(arguments) if word == "-chardev"]
    assert [one for one in chardevs if one.startswith("stdio")] == [
        "stdio,id=console,signal=off,mux=on"
    ]
    assert {"null,id=qmp", "null,id=gdb", "null,id=agent"} < set(chardevs)
    assert "chardev=console,mode=readline" in arguments
    assert "-S" not in arguments
    assert arguments[-2] == "-append"
    assert arguments[-1].endswith(" umd_isolation=on umd.shell")


def test_what_boots_for_gdb_waits_for_it() -> None:
    with debugger() as stub:
        arguments = qemu_arguments(SPEC, stub.listener)
        number = stub.listener.fileno()
    assert f"socket,id=gdb,fd={number},server=on,wait=off" in arguments
    assert "-S" in arguments
    assert "null,id=gdb" not in arguments


def test_the_line_for_gdb_is_for_a_shell() -> None:
    with debugger() as stub, socket.socket(socket.AF_UNIX) as gdb:
        attach = f"-ex 'target remote {stub.path}' '/a b/vmlinux'"
        assert stub.command(Path("/a b/vmlinux")) == f"gdb {attach}"
        gdb.connect(str(stub.path))
    assert not stub.path.exists()


def test_a_socket_that_has_no_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(UserError, match=r"cannot create a socket at .*; set TMPDIR"), debugger():
        pytest.fail("it has no place")
