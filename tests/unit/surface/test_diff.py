# SPDX-License-Identifier: GPL-2.0-only
"""What a source offers, what one kernel has over another, and why our series may add it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from miniature_kernel import write_files

from harness.host.errors import UserError
from harness.surface.diff import OURS, Addition, added, justify, kernel_texts, series_report
from harness.surface.facts import Facts
from harness.surface.openings import functions, openings

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
static int hidden(void) { return 1; }
int shown(int a)
{
	return a + hidden();
}
EXPORT_SYMBOL_GPL(shown);
early_param("open_sesame", shown);
module_param_named(door, is_open, bool, 0);
SYSCALL_DEFINE2(knock, int, door, int, times)
{
	return 0;
}
static struct security_hook_list hooks[] = {
	LSM_HOOK_INIT(task_kill, refuse),
};
DEFINE_LSM(guard) = { .name = "guard" };
static void make(void) { securityfs_create_file("door", 0200, NULL, NULL, &fops); }
"""

FILES = {"kernel/door.c": SOURCE, "kernel/Kconfig.door": "config DOOR\n\tbool\n", "a/Makefile": ""}


def test_what_a_source_offers_is_seen() -> None:
    found = openings(FILES)
    assert set(found) >= {
        "export shown",
        "function shown",
        "boot parameter open_sesame",
        "module parameter door",
        "system call knock",
        "hook task_kill",
        "security module guard",
        "file door",
        "option DOOR",
    }
    assert "function hidden" not in found
    assert found["option DOOR"] == "kernel/Kconfig.door"


def test_functions_say_who_sees_them() -> None:
    seen = {name: is_static for name, _, is_static in functions(FILES)}
    assert (seen["hidden"], seen["shown"]) == (True, False)
    assert not list(functions({"a/Makefile": ""}))


def facts(name: str, **routes: dict[str, str]) -> Facts:
    return Facts(name, routes, frozenset())


def test_only_routes_that_both_went_are_compared() -> None:
    base = facts("base", hooks={"a": ""})
    new = facts("new", hooks={"a": "", "b": "here"}, nodes={"c": ""})
    assert added(base, new) == [Addition("hooks", "b", "here")]


REASONS = """
[[justified]]
requirement = "R9"
because = "it is for tests"
[justified.adds]
source = ["file door", "function open_*"]
"""


def test_an_addition_has_a_reason_or_none(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(REASONS)
    additions = [Addition("source", name, "") for name in ("function open_it", "hook task_kill")]
    (opened, hook), stale = justify(additions, path=tmp_path / "ours.toml")
    assert (opened.requirement, opened.why) == ("R9", "it is for tests")
    assert not hook.requirement
    assert stale == ["source file door"]
    text = series_report("6.12", [opened, hook], stale)
    assert "1 unjustified" in text
    assert "hook task_kill  (NOT JUSTIFIED)" in text
    assert "stale: ours.toml justifies source file door" in text


def test_a_reason_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(REASONS + REASONS)
    with pytest.raises(UserError, match="twice"):
        justify([], path=tmp_path / "ours.toml")


def test_a_selftest_adds_nothing(tmp_path: Path) -> None:
    """It is in the kernel's source, but no part of the kernel."""
    write_files(tmp_path, dict.fromkeys(("kernel/new.c", "tools/testing/new.c"), SOURCE))
    assert kernel_texts(tmp_path) == {"kernel/new.c": SOURCE}


def test_what_we_ship_can_be_read() -> None:
    _, stale = justify([], path=OURS)
    assert stale
