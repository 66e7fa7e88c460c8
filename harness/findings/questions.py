# SPDX-License-Identifier: GPL-2.0-only
"""The questions of the discussions, and what the evidence answers to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Names, Section, Table, Text, code
from harness.findings.evidence import NOT_MEASURED
from harness.findings.tables import (
    OURS,
    PROPOSALS,
    RIVALS,
    held_by_variant,
    verdicts,
    won_by_variant,
)
from harness.judge.parity import REFERENCE, SUBJECT
from harness.report.text import plural, short_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence

INTEGRITY = "integrity"
_CLAIMS = {
    "proposal": "with strict seccomp, ptrace and kill denied, and memory locked",
    "proposal-mark": "with ptrace refused as for a kernel thread, and memory locked",
    SUBJECT: "with all our defences",
}
"""What a variant gives a handler. It is as safe as a kernel thread if no attack wins that the
thread holds."""
PTRACE = ("ptrace", "access")
"""The defences that deny access to memory, with ptrace's check and where it is not asked."""


def sections(evidence: Evidence) -> Iterator[Section]:
    """Yield the section of each question, with the runs that its numbers are counted from."""
    for title, answer in _ANSWERS.items():
        blocks = list(answer(evidence))
        yield Section(title, [*blocks, *_counted_from(evidence, blocks)])


def _counted_from(evidence: Evidence, blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield a sentence that names the runs of the variants that the tables show."""
    words = {word for one in blocks if isinstance(one, Table) for row in one.rows for word in row}
    shown = [name for name in evidence.variants if code(name) in words]
    runs = dict.fromkeys(run.name for name in shown if (run := evidence.run_of(name)))
    if runs:
        yield Text(f"Counted from run {' and '.join(map(code, runs))}.")


def proposal(evidence: Evidence) -> Iterator[Block]:
    """Say how the variants of the proposal fare on integrity, against a kernel thread."""
    for name in PROPOSALS:
        if evidence.has(name):
            yield from against_thread(evidence, name)
        else:
            yield Text(f"{code(name)}: {NOT_MEASURED}.")


def against_thread(evidence: Evidence, name: str) -> Iterator[Block]:
    """Say how many attacks win on a variant on integrity, and which do not on a kernel thread."""
    won = evidence.won(name, INTEGRITY)
    others = [f"On {code(other)}, {_number(evidence, other)}." for other in ("baseline", REFERENCE)]
    theirs = evidence.won(REFERENCE, INTEGRITY)
    judged = evidence.judged(REFERENCE)
    beyond = [attack for attack in won if attack in judged and attack not in theirs]
    apart = [attack for attack in won if attack not in judged]
    verdict = "" if not evidence.has(REFERENCE) else "**No.** " if beyond else "**Yes.** "
    asked = f"Is a handler as safe as a kernel thread {_CLAIMS[name]}?"
    said = f"{verdict}{code(name)}: {win(len(won))} on integrity."
    yield Text(" ".join([asked, said, *others]))
    if evidence.has(REFERENCE):
        yield Names(f"Win on {code(name)}, and not on {code(REFERENCE)} ({len(beyond)})", beyond)
        if apart:
            known = f"Win on {code(name)}, and have no verdict on {code(REFERENCE)} ({len(apart)})"
            yield Names(known, apart)


def _number(evidence: Evidence, variant: str) -> str:
    if not evidence.has(variant):
        return NOT_MEASURED
    return win(len(evidence.won(variant, INTEGRITY)))


def win(number: int) -> str:
    """Return `1 attack wins`, `2 attacks win`."""
    return f"{plural(number, 'attack')} {'wins' if number == 1 else 'win'}"


def ptrace(evidence: Evidence) -> Iterator[Block]:
    """Is denying ptrace enough?"""
    alone = evidence.defences.alone
    if alone is None:
        yield Text("What each defence holds alone is not measured in this run.")
    else:
        by = [name for name in PTRACE if name in alone.won]
        by_ptrace = {name for one in PTRACE for name in alone.won.get(one, ())}
        others = {n for one, won in alone.won.items() if one not in PTRACE for n in won}
        yield Text(
            f"**{'No' if others else 'Yes'}.** Without {' or '.join(map(code, by))}, which denies "
            f"ptrace access and hands out no memory, {win(len(by_ptrace))} "
            f"on {code(SUBJECT)}. With it and without one of the other defences, "
            f"{win(len(others))} in all. A gained step counts as a win."
        )
        yield Text(
            f"Counted from {plural(len(alone.won), 'machine')} that leave out one defence "
            f"each: line {alone.line}, kernel image {short_hash(alone.image)}."
        )
    yield from won_by_variant(evidence, ("baseline", "yama", *PROPOSALS, SUBJECT, REFERENCE))


def swapping(evidence: Evidence) -> Iterator[Block]:
    """Is locked memory enough, and from when on?"""
    yield Text(
        "These attacks have memory swapped out and read it, or change it, on the swap device. "
        "`swap_at_start` swaps out pages that exec has filled before a lock after exec could take "
        "them: memory has to be locked from its first page. `blob_swap_tamper` swaps out the blob "
        "while no handler runs."
    )
    yield from verdicts(evidence, evidence.attacks_of("swap"))


def killing(evidence: Evidence) -> Iterator[Block]:
    """Is it enough to limit the kill?"""
    names = evidence.attacks_of("signals")
    yield Text(
        f"`harness/scenarios/signals.py` has {plural(len(names), 'attack')}. The hook `task_kill` "
        "sees the signals that a process sends. sysrq, the power button, an orphaned process group "
        "and others have the kernel send the signal. These attacks pass no hook that can refuse."
    )
    yield from held_by_variant(evidence, names)
    if not evidence.lines("baseline").keys().isdisjoint(names):
        won = [name for name in evidence.unhooked("baseline") if name in names]
        yield Names("Win on `baseline`, and pass no hook that can refuse", won)


def io_uring(evidence: Evidence) -> Iterator[Block]:
    """Does io_uring bypass the isolation?"""
    yield Text(
        "`escape_io_uring` sets up a ring from inside the handler. `io_uring_inject` opens the "
        "handler's end of the reply pipe in a worker of a ring, and writes a forged reply to it."
    )
    names = [name for name in evidence.corpus.scenarios if "io_uring" in name]
    yield from verdicts(evidence, names)


def hooks(evidence: Evidence) -> Iterator[Block]:
    """Is the set of LSM hooks complete?"""
    by_variant = {name: evidence.unhooked(name) for name in evidence.variants}
    every = {name for names in by_variant.values() for name in names}
    yield Text(
        f"{'**No.** ' if every else ''}{plural(len(every), 'attack')} won on some variant and "
        "passed no LSM hook able to deny them. A gained step counts as a win. The hooks are those "
        "that were called on the handler, so a security module that guards only the handler cannot "
        "refuse these attacks. A policy that limits root can refuse an earlier step, such as "
        "opening a file."
    )
    counts = {name: names for name, names in by_variant.items() if names}
    if counts:
        numbers = ", ".join(f"{code(name)} {len(names)}" for name, names in counts.items())
        yield Text(f"By variant: {numbers}.")
    if by_variant.get(SUBJECT):
        yield Names(f"On {code(SUBJECT)}", by_variant[SUBJECT])


def policies(evidence: Evidence) -> Iterator[Block]:
    """Could SELinux, Smack or another policy do it?"""
    yield from won_by_variant(evidence, (*RIVALS, SUBJECT, REFERENCE))
    inside = [name for name, scenario in evidence.corpus.scenarios.items() if scenario.inside]
    yield Text("From inside the handler, where a policy filters few system calls:")
    yield from held_by_variant(evidence, inside, (*RIVALS, SUBJECT))
    yield Text(
        "A policy has a price for root: [Rivals](../explanation/rivals.md) lists what root loses "
        "under each."
    )


def boundary(evidence: Evidence) -> Iterator[Block]:
    """Is there a boundary between root and the kernel?"""
    yield Text(
        "A kernel that root may write has no such boundary: root changes a kernel thread as well. "
        "So the runs measure parity with a kernel thread, and what lockdown adds."
    )
    yield from won_by_variant(evidence, (*OURS, "lockdown", "lockdown-confidentiality", REFERENCE))
    if all(map(evidence.has, OURS)):
        open_now = set(evidence.won(OURS[1], INTEGRITY))
        closed = [name for name in evidence.won(OURS[0], INTEGRITY) if name not in open_now]
        yield Names(f"Win on integrity on {code(OURS[0])}, and not under lockdown", closed)
        yield Names("Win on integrity under lockdown as well", sorted(open_now))


def keys(evidence: Evidence) -> Iterator[Block]:
    """Why not a user mode driver for PGP keys?"""
    inside = [name for name, scenario in evidence.corpus.scenarios.items() if scenario.inside]
    yield Text(
        "A parser that was taken over is code inside the handler. It can lie in its replies: no "
        "isolation prevents that, and the kernel has to check each field. These attacks try to do "
        "more than that. Whether reviewers feel confident is no measurement."
    )
    variants = ("baseline", "seccomp-strict", *PROPOSALS, SUBJECT)
    yield from held_by_variant(evidence, inside, variants)
    yield from verdicts(evidence, inside, variants)


def own_root(evidence: Evidence) -> Iterator[Block]:
    """What do kernel threads with a root directory of their own change?"""
    yield Text(
        "The kernel's threads and handlers share the root directory of pid 1, and root can change "
        "it. `init_fs_chroot` changes it. The RFC of March 2026 was not applied to any kernel "
        "here, so the verdict of this attack under the RFC is not measured."
    )
    yield from verdicts(evidence, ["init_fs_chroot"], ("baseline", *PROPOSALS, *OURS, REFERENCE))


def sandboxes(_: Evidence) -> Iterator[Block]:
    """What would a sandbox inside the kernel add, and what an enclave?"""
    yield Text(
        "Nothing was measured, and no claim is made. On paper, a sandbox inside the kernel "
        "(SandBox Mode, 2024) is another answer to the first objective, to limit what the parser "
        "may do. It has no process of its own, so attacks on a process would have no target there. "
        "An enclave is another answer to the second objective, as far as memory goes: root could "
        "still stop it."
    )


_ANSWERS = {
    "“Is denying ptrace enough?”": ptrace,
    "“Avoid swapping”: is locked memory enough, and from when on?": swapping,
    "“Limit the kill”": killing,
    "“Maybe something similar with io_uring”": io_uring,
    "“Any LSM is bounded by its hooks”: is the set complete?": hooks,
    "“SELinux or Smack could do it”": policies,
    "“Is root-to-kernel a boundary?”": boundary,
    "“Why not a user mode driver for PGP keys?”": keys,
    "Kernel threads with a root directory of their own": own_root,
    "A sandbox inside the kernel, an enclave": sandboxes,
}
"""The questions in their order. The words in quotation marks sum up a discussion."""
