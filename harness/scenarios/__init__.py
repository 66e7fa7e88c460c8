# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: one file per attack class, one function per attack."""

from harness.scenarios import reference  # noqa: F401 - importing registers; these come first

# isort: split
from harness.model.verdict import Effect
from harness.scenarios import (  # noqa: F401
    bpf,
    caller,
    cgroups,
    direct,
    escape,
    faults,
    graph_tracer,
    hardware,
    inheritance,
    limits,
    look,
    memory,
    observe,
    pipes,
    placement,
    poison,
    power,
    restarts,
    scheduling,
    signals,
    startup,
    surroundings,
    swap,
    switched_off,
    switched_off_smack,
    tracing,
    whole_kernel,
)
from harness.scenarios.registry import REFERENCES, SCENARIOS, Hole, Scenario, scenario

__all__ = ["REFERENCES", "SCENARIOS", "Effect", "Hole", "Scenario", "scenario"]
