# SPDX-License-Identifier: GPL-2.0-only
"""What a scenario declares of its attack, and how the harness comes by the scenarios of a file."""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from errno import EPERM
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from harness.attacker.agent.channel import ATTEMPT_SECONDS
from harness.host.errors import UserError
from harness.model.hole import Hole as Hole
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict, worst
from harness.scenarios.declaration_checks import (
    check_arguments,
    check_attack,
    check_declaration,
)
from harness.scenarios.proposals import measured_wins
from harness.scenarios.rivals import RivalExpectation, measured_on_rivals, on_rivals
from harness.witness.evidence import WRONG_REPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from harness.attacker import Attacker
    from harness.model.cell import Outcome
    from harness.model.variants import Variant
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], str | None]

Declares = ParamSpec("Declares")
_T = TypeVar("_T")
Target = Literal["handler", "start", "system"]

PTRACE_CHECK = "security_ptrace_access_check"

BY_OPEN = MappingProxyType({"openat": EPERM})
BY_MODULE = MappingProxyType({"init_module": EPERM})
"""How lockdown refuses the files of devices and of debugfs, and what has no signature."""

REFERENCES = ("nothing", "host_tamper")
"""The cells that show a variant's evidence can be trusted at all (rule 3)."""

_VERSION = re.compile(r"\d+(?:\.\d+)*")

_WITHOUT_POLICY = "seccomp-strict"
"""A variant without any module's policy: attacks on such a policy are n/a there."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The arguments of `@scenario`: what an attack does, and what to expect of it."""

    effect: Effect
    """What the attack takes from the handler."""
    surface: str
    """The row of the attack surface that the attack covers (surface.toml)."""
    answers: tuple[str, ...]
    """The ids of the requirements, threats and counter-measures that the attack answers."""
    also: tuple[Effect, ...] = ()
    """Further effects of the attack, on the way to `effect`."""
    shows: str = WRONG_REPLY
    """What must be wrong with the handler where its integrity is lost: a wrong reply, or the name
    of a violation. Empty: anything."""
    control: str = "baseline"
    """The variant on which the attack must win in the same run (rule 3)."""
    call: str | None = None
    """The attacking system call."""
    refused: tuple[int, ...] = ()
    """The errnos of `call` that count as a refusal."""
    no_target: tuple[int, ...] = ()
    """The errnos of `call` that say that a kernel thread gives the attack no target."""
    no_target_at: str | None = None
    """The kernel function that sees the kernel thread before `call` fails with `no_target`."""
    reach: str | None = None
    """The kernel function that must be called on `target` before `held` counts."""
    through: str = ""
    """The kernel function that the attack passes, where none is watched."""
    target: Target = "handler"
    """The object of `reach`: the `handler`, its `start`, or anything in the `system`."""
    tries: int = 1
    """How many times a race is run."""
    needs: tuple[str, ...] = ()
    """Kernel options that the attack needs, without CONFIG_; `!` before those that must be off."""
    since: str = ""
    """The first version of Linux with what the attack needs, such as "6.7"."""
    before: str = ""
    """The first version of Linux on which the attack no longer works."""
    cpus: int = 1
    """The CPUs of the attack's machine."""
    boot: str = ""
    """Further boot parameters of the attack's machine."""
    ends_machine: bool = False
    """The attack ends the whole machine, which QEMU reports."""
    freezes: bool = False
    """The attack stops all of user space for a while, and goes on by itself. Unless its effects
    include availability, a late reply is then no loss."""
    pauses: bool = False
    """As `freezes`, but one program both stops user space and has it go on. The host's way to the
    attacker outlasts that."""
    on_disk: bool = False
    """The attack needs a file system on a disk."""
    debugging: bool | None = None
    """The attack needs no more than a debugger may do (R7). None: if `reach` is ptrace's check."""
    from_host: bool = False
    """The host makes the attack, from outside the guest."""
    inside: bool = False
    """The attack starts from code that runs in the handler; the handler's end is then no loss."""
    whole_kernel: bool = False
    """The attack may write kernel memory, so that the tally alone proves nothing."""
    passes: tuple[str, ...] = ()
    """The ways into the kernel (harness/witness/doors.py) that the attack takes without harm to the
    witness, such as `klp_enable_patch`. After any other way there is no conclusion."""
    lockdown: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The calls by which lockdown=integrity refuses the attack or its tools, and their errnos."""
    holes: Mapping[str, Hole] = field(default_factory=lambda: MappingProxyType({}))
    """The variants that lose although they should hold."""
    denied_by: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The rivals that stop the attack, and the permission by which they do."""
    not_applicable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The variants that lack what the attack needs, and what that is."""
    seconds: float = ATTEMPT_SECONDS
    """The seconds that the attack's calls may take in all."""
    prepare: Attack | None = None
    """What is done before anything is watched; it does not count as part of the attack."""
    files: tuple[str, ...] = ()
    """The files of a user's that the attack's program is made from."""


@dataclass(frozen=True, kw_only=True)
class Scenario(Declaration):
    """One attack, run as root in the guest against the handler."""

    name: str
    """The name that `-k` selects: the function's."""
    summary: str
    """The line that the matrix prints: the first of the function's docstring."""
    attack: Attack
    """The function. It returns nothing, or a program's own account of its end."""
    origin: tuple[str, ...] = ()
    """The options by which a user brought the scenario; empty for one that ships."""

    def on_line(self, line: str) -> Scenario:
        """Return the scenario with the holes and refusals that a kernel line has, such as `6.12`.

        The line of a user's kernel that names no version has them all.
        """
        if not self._begins:
            return self
        version = version_in(line)
        later = {name for name, since in self._begins.items() if version and version < since}
        if not later:
            return self
        holes = {name: hole for name, hole in self.holes.items() if name not in later}
        denied_by = {name: why for name, why in self.denied_by.items() if name not in later}
        return replace(self, holes=MappingProxyType(holes), denied_by=MappingProxyType(denied_by))

    @cached_property
    def _begins(self) -> Mapping[str, tuple[int, ...]]:
        """The versions of Linux with which holes and refusals begin, by variant: few have one."""
        dated: dict[str, Hole | RivalExpectation] = {
            **measured_on_rivals(self.name),
            **self.holes,
        }
        return {name: version_in(one.since) for name, one in dated.items() if one.since}

    def hole_on(self, variant: Variant) -> Hole | None:
        """Return the known hole of `variant`, if it has one."""
        return _declared_for(variant, self.holes)

    def denied_on(self, variant: Variant) -> str | None:
        """Return the permission by which a rival's policy stops the attack, if it does."""
        return _declared_for(variant, self.denied_by)

    def lacking_on(self, variant: Variant) -> str | None:
        """Return what `variant` lacks of what the attack needs; None if nothing."""
        lacking = _declared_for(variant, self.not_applicable)
        if lacking is None and variant.origin and "baseline" in variant.like:
            return self.not_applicable.get(_WITHOUT_POLICY)
        return lacking

    def expected(self, variant: Variant) -> Verdict:
        """Return the verdict expected of `variant`: what it does not claim to stop wins there."""
        if self.lacking_on(variant) is not None:
            return Verdict.NOT_APPLICABLE
        if (hole := self.hole_on(variant)) is not None:
            return hole.verdict
        return Verdict.HELD if self._stopped_by(variant) else self.wins

    def locked_out(self, variant: Variant) -> bool:
        """Return whether lockdown refuses the attack on `variant` before the handler is reached."""
        return bool(self.lockdown) and variant.locked

    @property
    def is_reference(self) -> bool:
        """Whether the scenario is a reference cell's: it shows that evidence can be trusted."""
        return self.name in REFERENCES

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All effects of the attack."""
        return (self.effect, *self.also)

    @property
    def excuses_late_replies(self) -> bool:
        """Whether a late reply is no loss, for the attack stops user space on its way."""
        return (self.freezes or self.pauses) and Effect.AVAILABILITY not in self.effects

    @property
    def wins(self) -> Verdict:
        """The verdict with which the attack wins: the worst of its effects."""
        return worst(effect.wins for effect in self.effects)

    def gains(self, variant: Variant) -> bool:
        """Whether `variant` lets the attack get hold of what it is after."""
        if Effect.STEP not in self.effects or self.lacking_on(variant) is not None:
            return False
        return self.hole_on(variant) is not None or not self._stopped_by(variant)

    def missing(self, outcome: Outcome) -> str:
        """Return the effects that an outcome does not show: its verdict names the worst alone."""
        effects = self.effects
        lacking = [e.name.lower() for e in effects if not outcome.axes.show(e)]
        is_wrong = Effect.INTEGRITY in effects or Effect.ESCAPE in effects
        if is_wrong and self.shows and self.shows not in outcome.wrongs:
            lacking.append(self.shows)
        if Effect.STEP in effects and not outcome.gained:
            lacking.append("anything it could have gained")
        return ", ".join(lacking)

    def _stopped_by(self, variant: Variant) -> bool:
        if self.from_host:
            return False
        if variant.rival:
            return self.denied_on(variant) is not None
        if self.inside:
            return variant.confines
        return variant.protects and not (variant.debug and self.debugging)


@lru_cache(maxsize=256)
def version_in(text: str) -> tuple[int, ...]:
    """Return the version with which a text begins; empty if it begins with none."""
    found = _VERSION.match(text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _declared_for(variant: Variant, by_name: Mapping[str, _T]) -> _T | None:
    """Return what is declared of a variant, or of the first variant that it is like."""
    names = (variant.name, *variant.like)
    return next((by_name[name] for name in names if name in by_name), None)


def unmet(needs: Iterable[str], options: Container[str]) -> list[str]:
    """Return the needs that a kernel with these options (without CONFIG_) does not meet."""
    return [need for need in needs if (need.lstrip("!") in options) == need.startswith("!")]


def _still_open(holes: Mapping[str, Hole], lockdown: Mapping[str, int]) -> dict[str, Hole]:
    """Return the holes that are left where lockdown refuses the attack, if it does."""
    return {
        name: hole
        for name, hole in holes.items()
        if not (lockdown and name in VARIANTS and VARIANTS[name].locked)
    }


def _on_proposals(name: str, declared: Declaration) -> dict[str, Hole]:
    """Return the proposals where an attack wins more than on `isolated`."""
    wins = worst(effect.wins for effect in (declared.effect, *declared.also))
    return {
        variant: Hole(one.verdict or wins, one.reason, one.partly, one.since)
        for variant, one in measured_wins().get(name, {}).items()
    }


def _scenario(declared: Declaration, attack: Attack) -> Scenario:
    """Return the scenario of an attack: what is declared, and what follows from it."""
    theirs, denied_by, lacking = on_rivals(attack.__name__)
    ours = _still_open(declared.holes, declared.lockdown)
    follows = {
        "debugging": declared.reach == PTRACE_CHECK
        if declared.debugging is None
        else declared.debugging,
        "inside": declared.inside or declared.effect is Effect.ESCAPE,
        "lockdown": MappingProxyType(dict(declared.lockdown)),
        "holes": MappingProxyType(theirs | ours | _on_proposals(attack.__name__, declared)),
        "denied_by": MappingProxyType(denied_by | dict(declared.denied_by)),
        "not_applicable": MappingProxyType(lacking | dict(declared.not_applicable)),
    }
    given = {one.name: getattr(declared, one.name) for one in fields(declared)}
    return Scenario(
        name=attack.__name__,
        summary=(attack.__doc__ or "").strip().splitlines()[0].strip(),
        attack=attack,
        **{**given, **follows},
    )


_collected: ContextVar[dict[str, Scenario] | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[dict[str, Scenario]]:
    """Collect the scenarios that are declared within the block, by name, in their order."""
    found: dict[str, Scenario] = {}
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


class NotCollected(UserWarning):
    """A scenario that belongs to no run, because its file is not loaded as a scenario file."""


def _keep(made: Scenario) -> None:
    """Add a scenario to those that are collected. Raises UserError for a name that is taken."""
    found = _collected.get()
    if found is None:
        if not _is_loaded(made.attack):
            _warn_of(made)
        return
    if made.name in found:
        raise UserError(
            f"scenario {made.name} is declared twice", hint="give one of them another name"
        )
    found[made.name] = made


def _is_loaded(attack: Attack) -> bool:
    """Whether another module was loaded from the attack's file: a test may import it once more."""
    return any(
        name != attack.__module__
        and getattr(module, "__file__", None) == attack.__code__.co_filename
        for name, module in list(sys.modules.items())
    )


def _warn_of(made: Scenario) -> None:
    warnings.warn(
        f"scenario {made.name} will not run, because this file is not loaded as a scenario file: "
        "name it with --scenario, or in the setting umd_scenarios of pytest",
        NotCollected,
        stacklevel=4,  # the line of the decorator
    )


def _decorator(
    declare: Callable[Declares, Declaration],
) -> Callable[Declares, Callable[[Attack], Attack]]:
    """Return a decorator that takes what `declare` takes, so that the fields are spelt once."""

    def scenario(*args: Declares.args, **kwargs: Declares.kwargs) -> Callable[[Attack], Attack]:
        """Declare the decorated function a scenario under its own name.

        The arguments are the fields of `Declaration`. The name is what `-k` selects, and the first
        line of the docstring is what the matrix prints. Raises UserError for a declaration that
        cannot be used (harness/scenarios/declaration_checks.py), and for a name that was declared
        before in the same file or corpus. Warns if the file is not loaded as a scenario file.
        """
        check_arguments(fields(Declaration), args, kwargs)
        declared = declare(*args, **kwargs)

        def collect(attack: Attack) -> Attack:
            name = getattr(attack, "__name__", type(attack).__name__)
            check_attack(name, attack)
            check_declaration(name, declared)
            _keep(_scenario(declared, attack))
            return attack

        return collect

    return scenario


scenario = _decorator(Declaration)
