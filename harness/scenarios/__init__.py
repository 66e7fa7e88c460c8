# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: one file for each class of attacks, one function for each attack."""

from types import MappingProxyType

from harness.model.handlers import PGP, PKCS7, RPM, X509
from harness.model.verdict import Effect
from harness.scenarios.registry import REFERENCES, Hole, Scenario, collecting, scenario

with collecting() as _found:
    from harness.scenarios import reference  # noqa: F401 - the reference cells come first

    # isort: split
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
        kernel_events,
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
        switched_off_apparmor,
        switched_off_bpf,
        switched_off_lockdown,
        switched_off_smack,
        switched_off_yama,
        throttled,
        tracing,
        uprobes,
        whole_kernel,
    )

with collecting() as _keys_at_stake:
    from harness.scenarios import stakes_certificates  # noqa: F401

with collecting() as _messages_at_stake:
    from harness.scenarios import stakes_signed_messages  # noqa: F401

with collecting() as _openpgp_at_stake:
    from harness.scenarios import stakes_openpgp  # noqa: F401

with collecting() as _digests_at_stake:
    from harness.scenarios import stakes_packages  # noqa: F401

SCENARIOS = MappingProxyType(_found)
"""The scenarios that ship, by name, in the order of the matrix."""

STAKES = MappingProxyType(
    {
        X509.name: MappingProxyType(_keys_at_stake),
        PKCS7.name: MappingProxyType(_messages_at_stake),
        PGP.name: MappingProxyType(_openpgp_at_stake),
        RPM.name: MappingProxyType(_digests_at_stake),
    }
)
"""By handler, the scenarios that ship for it alone: what the kernel believes of its replies."""

EVERY = MappingProxyType(
    {name: one for some in (SCENARIOS, *STAKES.values()) for name, one in some.items()}
)
"""All scenarios that ship, for any handler."""

__all__ = ["EVERY", "REFERENCES", "SCENARIOS", "STAKES", "Effect", "Hole", "Scenario", "scenario"]
