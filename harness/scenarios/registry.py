# SPDX-License-Identifier: GPL-2.0-only
"""The corpus's registry: what a scenario declares, and how one is found by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EPERM
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from harness.attacker.agent.channel import ATTEMPT_SECONDS
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict, worst
from harness.scenarios.rivals import RIVALS, measured_on
from harness.witness.conclude import WRONG_REPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from harness.attacker import Attacker
    from harness.model.cell import Outcome
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], str | None]

Target = Literal["handler", "start", "system"]

PTRACE_CHECK = "security_ptrace_access_check"

BY_OPEN = MappingProxyType({"openat": EPERM})
BY_MODULE = MappingProxyType({"init_module": EPERM})
"""How lockdown refuses the files of devices and of debugfs, and what has no signature."""

REFERENCES = ("nothing", "host_tamper")
"""The cells that show a variant's evidence can be trusted at all (architecture.md, rule 3)."""


@dataclass(frozen=True)
class Hole:
    """An attack that a variant does not stop yet: the verdict to expect, and why.

    `partly`: the attack gets only so far, and what it gets done is bad enough.
    """

    verdict: Verdict
    reason: str
    partly: bool = False


@dataclass(frozen=True)
class Scenario:
    """One attack, run as root in the guest against the handler.

    `also`: what else it does on its way to its effect; `shows`: what must be wrong with the handler
    for its integrity to be lost by this attack, a wrong reply or the name of a violation, or empty
    for anything;
    `call` and `refused`: the attacking system call and the errnos that count as its refusal;
    `no_target`: the errnos by which an attack on a kernel thread finds nothing to attack;
    `no_target_at`: the kernel function that sees the thread on the way there, if one does;
    `reach`: the kernel function that must be seen before `held` is believed, with the handler
    as an argument or, if `target` is the handler's `start` or the whole `system`, with whatever;
    `through`: the kernel function it goes through, where none is watched;
    `tries`: how often an attack that is a race is made; `needs`: the kernel options that it takes,
    with a `!` those that must be off; `since`: the version of Linux, as in "6.7", that it takes
    at least, `before`: the first that it no longer works on; `cpus` and `boot`: the CPUs and the
    boot parameters of a machine of its own; `ends_machine`: it takes the whole machine down, which
    QEMU sees; `freezes`: it stops all of user space for a while, and goes on alone;
    `on_disk`: it takes a file system on a disk;
    `debugging`: whether it takes no more than a debugger may do (R7), by default if ptrace's check
    is what it must reach;
    `from_host`: the host itself acts, from outside the guest; `inside`: the attack starts from
    code that runs in the handler, whose end is then no loss; `whole_kernel`: the attack may
    write kernel memory, so the tally alone proves nothing; `lockdown`: the calls by which
    lockdown=integrity refuses it, or takes its tools, and with which errno; `holes`: the variants
    that lose although they should hold; `denied_by`: the rivals whose policies stop it, and by
    what; `not_applicable`: those that lack what the attack needs, and why; `seconds`: how long its
    calls may take in all; `prepare`: what is done before anything is watched, and counts for
    nothing; `origin`: the options by which a user brought it.
    `attack` returns nothing, or what a program said of how it ended.
    """

    name: str
    summary: str
    attack: Attack
    effect: Effect
    surface: str
    answers: tuple[str, ...]
    also: tuple[Effect, ...] = ()
    shows: str = WRONG_REPLY
    control: str = "baseline"
    call: str | None = None
    refused: tuple[int, ...] = ()
    no_target: tuple[int, ...] = ()
    no_target_at: str | None = None
    reach: str | None = None
    through: str = ""
    target: Target = "handler"
    tries: int = 1
    needs: tuple[str, ...] = ()
    since: str = ""
    before: str = ""
    cpus: int = 1
    boot: str = ""
    ends_machine: bool = False
    freezes: bool = False
    on_disk: bool = False
    debugging: bool = False
    from_host: bool = False
    inside: bool = False
    whole_kernel: bool = False
    lockdown: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    holes: Mapping[str, Hole] = field(default_factory=lambda: MappingProxyType({}))
    denied_by: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    not_applicable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = ATTEMPT_SECONDS
    prepare: Attack | None = None
    origin: tuple[str, ...] = ()

    def expected(self, variant: str) -> Verdict:
        """The verdict `variant` should give: what it does not claim to stop wins there."""
        if variant in self.not_applicable:
            return Verdict.NOT_APPLICABLE
        if variant in self.holes:
            return self.holes[variant].verdict
        return Verdict.HELD if self._stopped_by(variant) else self.wins

    @property
    def is_reference(self) -> bool:
        """Whether it shows that a variant's evidence can be trusted, and attacks nothing."""
        return self.name in REFERENCES

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All that it does."""
        return (self.effect, *self.also)

    @property
    def wins(self) -> Verdict:
        """The verdict with which it wins: the worst of all that it does."""
        return worst(effect.wins for effect in self.effects)

    def locked_out(self, variant: str) -> bool:
        """Whether it ends there on lockdown, before it comes to the handler."""
        return bool(self.lockdown) and VARIANTS[variant].locked

    def gains(self, variant: str) -> bool:
        """Whether `variant` lets it get hold of what it is after."""
        if Effect.STEP not in self.effects or variant in self.not_applicable:
            return False
        return variant in self.holes or not self._stopped_by(variant)

    def missing(self, outcome: Outcome) -> str:
        """What its outcome does not show of all it does: the worst alone may be half its work."""
        effects = self.effects
        lacking = [e.name.lower() for e in effects if not outcome.axes.show(e)]
        is_wrong = Effect.INTEGRITY in effects or Effect.ESCAPE in effects
        if is_wrong and self.shows and self.shows not in outcome.wrongs:
            lacking.append(self.shows)
        if Effect.STEP in effects and not outcome.gained:
            lacking.append("anything it could have gained")
        return ", ".join(lacking)

    def _stopped_by(self, variant: str) -> bool:
        policy = VARIANTS[variant]
        if self.from_host:
            return False
        if policy.rival:
            return variant in self.denied_by
        if self.inside:
            return policy.confines
        return policy.protects and not (policy.debug and self.debugging)

    def reason(self, variant: str) -> str | None:
        """Why `variant` is expected not to hold, if that is a known hole."""
        hole = self.holes.get(variant)
        return hole.reason if hole else None


def unmet(needs: Iterable[str], options: Container[str]) -> list[str]:
    """Which needs a kernel with these options (without their prefix) does not meet."""
    return [need for need in needs if (need.lstrip("!") in options) == need.startswith("!")]


def _still_open(holes: Mapping[str, Hole], lockdown: Mapping[str, int]) -> dict[str, Hole]:
    """The holes that are left where lockdown refuses the attack, if it does."""
    return {
        name: hole
        for name, hole in holes.items()
        if not (lockdown and name in VARIANTS and VARIANTS[name].locked)
    }


def _on_rivals(name: str) -> tuple[dict[str, Hole], dict[str, str]]:
    """What an attack loses otherwise on the rivals, and which of them stop it, by what."""
    holes, denied_by = {}, {}
    for rival in RIVALS:
        if one := measured_on(rival).get(name):
            if one.verdict is Verdict.HELD:
                denied_by[rival] = one.reason
            else:
                holes[rival] = Hole(one.verdict, one.reason, one.partly)
    return holes, denied_by


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *,
    effect: Effect,
    surface: str,
    answers: tuple[str, ...],
    also: tuple[Effect, ...] = (),
    shows: str = WRONG_REPLY,
    control: str = "baseline",
    call: str | None = None,
    refused: tuple[int, ...] = (),
    no_target: tuple[int, ...] = (),
    no_target_at: str | None = None,
    reach: str | None = None,
    through: str = "",
    target: Target = "handler",
    tries: int = 1,
    needs: tuple[str, ...] = (),
    since: str = "",
    before: str = "",
    cpus: int = 1,
    boot: str = "",
    ends_machine: bool = False,
    freezes: bool = False,
    on_disk: bool = False,
    debugging: bool | None = None,
    from_host: bool = False,
    inside: bool = False,
    whole_kernel: bool = False,
    lockdown: Mapping[str, int] | None = None,
    holes: Mapping[str, Hole] | None = None,
    denied_by: Mapping[str, str] | None = None,
    not_applicable: Mapping[str, str] | None = None,
    seconds: float = ATTEMPT_SECONDS,
    prepare: Attack | None = None,
) -> Callable[[Attack], Attack]:
    """Register the decorated function as a scenario under its own name.

    Raises ValueError for a name taken twice or a function without a docstring:
    the name is what `-k` selects and the docstring is what the matrix prints.
    """

    def register(attack: Attack) -> Attack:
        name = attack.__name__
        if name in SCENARIOS:
            raise ValueError(f"scenario {name} is registered twice")
        if not attack.__doc__:
            raise ValueError(f"scenario {name} needs a docstring: the matrix prints it")
        otherwise, denied = _on_rivals(name)
        SCENARIOS[name] = Scenario(
            name=name,
            summary=attack.__doc__.splitlines()[0].strip(),
            attack=attack,
            effect=effect,
            surface=surface,
            answers=answers,
            also=also,
            shows=shows,
            control=control,
            call=call,
            refused=refused,
            no_target=no_target,
            no_target_at=no_target_at,
            reach=reach,
            through=through,
            target=target,
            tries=tries,
            needs=needs,
            since=since,
            before=before,
            cpus=cpus,
            boot=boot,
            ends_machine=ends_machine,
            freezes=freezes,
            on_disk=on_disk,
            debugging=reach == PTRACE_CHECK if debugging is None else debugging,
            from_host=from_host,
            inside=inside or effect is Effect.ESCAPE,
            whole_kernel=whole_kernel,
            lockdown=MappingProxyType(dict(lockdown or {})),
            holes=MappingProxyType(otherwise | _still_open(holes or {}, lockdown or {})),
            denied_by=MappingProxyType(denied | dict(denied_by or {})),
            not_applicable=MappingProxyType(dict(not_applicable or {})),
            seconds=seconds,
            prepare=prepare,
        )
        return attack

    return register
