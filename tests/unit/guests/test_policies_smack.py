# SPDX-License-Identifier: GPL-2.0-only
"""Smack's policy as it is shipped: what it must say to be one, and that the guest can read it."""

from __future__ import annotations

import pytest

from harness.guests.policies import DOMAIN, LABELS, OPTIONS, RULES, SEAL, smack_policy

FLOOR, ROOT = "_", "Root"
GUESTS = ("microvm", "debian")


def shipped(name: str, guest: str = "microvm") -> str:
    return smack_policy(guest)[f"smack/{name}"].decode()


def pairs(name: str, guest: str = "microvm") -> list[tuple[str, str]]:
    split = [line.partition(" ") for line in shipped(name, guest).splitlines()]
    return [(path, what) for path, _, what in split]


RULES_OF = [tuple(rule.split()) for rule in shipped(RULES).splitlines()]


def test_root_gets_nothing_of_the_kernels() -> None:
    assert RULES_OF
    assert not [rule for rule in RULES_OF if {rule[0], rule[1]} == {FLOOR, ROOT}]
    assert not [rule for rule in RULES_OF if rule[0] == ROOT and "w" in rule[2]]


@pytest.mark.parametrize(
    ("guest", "way"),
    [
        ("microvm", ("/sbin/",)),
        ("debian", ("/usr", "/usr/sbin", "/usr/sbin/modprobe", "/usr/lib", "/usr/lib/umd")),
    ],
)
def test_what_the_kernel_executes_root_cannot_write(guest: str, way: tuple[str, ...]) -> None:
    labels = dict(pairs(LABELS, guest))
    for path in ("/", "/sbin", "/lib", "/lib/modules", "/lib/modules/", *way):
        assert [access for _, label, access in RULES_OF if label == labels[path]] == ["rxl", "rx"]


def test_a_shell_is_no_helper_of_the_kernels() -> None:
    labels = dict(pairs(LABELS))
    assert labels["/bin/"] != labels["/sbin/"]
    assert not [path for path, _ in pairs(LABELS, "debian") if path.endswith("bin/")]


def test_the_seal_ends_with_what_shuts_pid_1_out() -> None:
    sealed = [path.rpartition("/")[2] for path, _ in pairs(SEAL)]
    assert sealed[-1] == "onlycap"
    assert {"ptrace", "load-self2", "relabel-self"} < set(sealed)


def test_no_rule_lets_anybody_at_the_files_that_change_the_rules() -> None:
    for guest in GUESTS:
        labels = dict(pairs(LABELS, guest))
        assert labels["/sys/fs/smackfs/"] not in {label for _, label, _ in RULES_OF}


@pytest.mark.parametrize("name", [DOMAIN, OPTIONS])
def test_what_is_read_as_a_whole_is_one_word(name: str) -> None:
    assert len(shipped(name).split()) == 1
    assert not shipped(name).endswith("\n")


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("name", [LABELS, SEAL])
def test_every_line_is_a_path_and_what_belongs_there(name: str, guest: str) -> None:
    assert pairs(name, guest)
    assert all(path.startswith("/") and what for path, what in pairs(name, guest))


@pytest.mark.parametrize("guest", GUESTS)
def test_no_path_has_two_labels(guest: str) -> None:
    paths = [path for path, _ in pairs(LABELS, guest)]
    assert len(paths) == len(set(paths))
