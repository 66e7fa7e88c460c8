# SPDX-License-Identifier: GPL-2.0-only
"""The routes of the attack surface, on a kernel tree of a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_kernel_tree import small_tree

from harness.host.errors import UserError
from harness.surface.entries import entries_of, find_entries, lookups
from harness.surface.graph import CallGraph, base_name, read_graph
from harness.surface.hooks import find_hooks
from harness.surface.senders import find_senders
from harness.surface.spares import find_spares
from harness.surface.tree import built_tree
from harness.surface.writes import find_writes

if TYPE_CHECKING:
    from pathlib import Path

    from harness.surface.tree import KernelTree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> KernelTree:
    return small_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_hooks_are_those_with_a_target(tree: KernelTree) -> None:
    hooks = find_hooks(tree)
    assert set(hooks) == {"task_kill", "getprocattr"}
    assert hooks["getprocattr"].endswith("char **value")


def test_calls_and_tables_are_seen(tree: KernelTree) -> None:
    graph = read_graph(tree.vmlinux)
    assert "set" in graph.callers["find_task"]
    assert graph.entry_points["set_write"] == "set_operations"
    assert graph.entry_points["later"] == "passed by __x64_sys_later"
    assert graph.entry_points["__x64_sys_later"] == "system call"
    assert "find_task" not in graph.entry_points


def test_what_looks_up_is_told_by_its_type(tree: KernelTree) -> None:
    assert "find_task" in lookups(tree.vmlinux)
    assert "set" not in lookups(tree.vmlinux)


def test_entry_points_are_those_that_reach_a_lookup(tree: KernelTree) -> None:
    entries = find_entries(tree)
    assert entries == {
        "set_write": "set_operations: set > find_task",
        "later": "passed by __x64_sys_later: set > find_task",
    }


def test_a_way_through_what_everyone_passes_does_not_count() -> None:
    calls = {"find": {"do_exit", "kill"}, "do_exit": {"a_write"}, "kill": {"b_write"}}
    graph = CallGraph(
        callers={name: frozenset(callers) for name, callers in calls.items()},
        handlers={"a_write": "a_ops", "b_write": "b_ops", "c_write": "c_ops"},
        functions=frozenset({"find", "do_exit", "kill", *(f"{c}_write" for c in "abc")}),
    )
    assert entries_of(graph, frozenset({"find"})) == {"b_write": "b_ops: kill > find"}


def test_a_name_is_the_sources() -> None:
    assert base_name("do_exit.constprop.0") == base_name("do_exit.cold") == "do_exit"
    assert base_name("a.part.0.isra.1") == "a"
    assert base_name("runtime.x") == "runtime.x"


def test_senders_are_those_that_do_not_ask(tree: KernelTree) -> None:
    senders = find_senders(tree)
    assert set(senders) == {
        "tell: do_send_sig_info",
        "tell: kill_pgrp",
        "tell: group_send_sig_info",
    }
    assert senders["tell: do_send_sig_info"] == "kernel/signals.c:4 to p"
    assert senders["tell: kill_pgrp"].startswith("kernel/signals.c:6 ")


def test_writes_are_those_to_others(tree: KernelTree) -> None:
    assert find_writes(tree) == {
        "theirs": "kernel/writes_in.c: memory.def_flags signal.flags task.prio task.static_prio",
        "own_or_not": "kernel/writes_in.c: task.prio",
    }


def test_spares_are_those_that_do_not_ask_about_a_driver(tree: KernelTree) -> None:
    spares = find_spares(tree)
    assert set(spares) == {
        "spares: PF_KTHREAD",
        "has_memory: mm",
        "has_none: mm",
        "takes_memory: mm",
        "exc_poke: user_mode",
        "is_spared: is_global_init",
        "is_spared_here: is_global_init",
    }
    assert spares["spares: PF_KTHREAD"] == "kernel/spares.c:6"
    assert spares["is_spared: is_global_init"] == "include/linux/spares.h:6"


def test_only_headers_that_compiled_files_may_include_are_searched(tree: KernelTree) -> None:
    assert tree.headers == (
        "include/linux/lsm_hook_defs.h",
        "include/linux/spares.h",
        "kernel/own.h",
    )


def test_only_a_file_that_changed_is_searched_again(
    tree: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_writes(tree)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_writes(tree) == first
    text = (tree.source / "kernel/writes_in.c").read_text()
    (tree.source / "kernel/writes_in.c").write_text(text + "\n")
    with pytest.raises(UserError, match="spatch"):
        find_writes(tree)


def test_only_what_was_compiled_is_read(tree: KernelTree) -> None:
    assert tree.compiled == (
        "kernel/signals.c",
        "kernel/spares.c",
        "kernel/writes.c",
        "kernel/writes_in.c",
    )


def test_a_tree_is_found_by_its_objects(tree: KernelTree) -> None:
    found = built_tree(tree.objects)
    assert (found.source, found.objects) == (tree.source, tree.objects)
    assert found.options == {"BPF", "M"}


def test_what_is_not_built_is_said(tree: KernelTree, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no vmlinux.*name the folder"):
        built_tree(tree.source)
    with pytest.raises(UserError, match="no vmlinux"):
        built_tree(tmp_path / "nowhere")


def test_a_kernel_without_symbols_or_types_is_said(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_text("no ELF")
    with pytest.raises(UserError, match="no symbols"):
        read_graph(tmp_path / "vmlinux")
    with pytest.raises(UserError, match="no BTF"):
        lookups(tmp_path / "vmlinux")
