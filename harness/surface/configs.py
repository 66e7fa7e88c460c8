# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that have the options an attack needs: ours, Debian's and Fedora's.

`python -m harness.surface.configs NAME CONFIG ORIGIN` writes configs/NAME.config again from a
distribution's configuration, reduced to the options that attacks need.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.paths import KERNEL_PATCHES
from harness.scenarios import SCENARIOS
from harness.scenarios.registry import unmet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.scenarios import Scenario

CONFIGS = Path(__file__).parent / "configs"
OURS = "ours"

_FRAGMENTS = ("base.config", "witness.config")
_SETTING = re.compile(r"^(?:CONFIG_(\w+)=([ymn])|# CONFIG_(\w+) is not set)$", re.MULTILINE)


@cache
def kernels() -> Mapping[str, Mapping[str, bool]]:
    """Return for each kernel its options and whether they are on. Others are not known."""
    fragments = "".join((KERNEL_PATCHES / "config" / name).read_text() for name in _FRAGMENTS)
    found = {OURS: settings(fragments)}
    for path in sorted(CONFIGS.glob("*.config")):
        found[path.stem.capitalize()] = settings(path.read_text())
    return found


def settings(config: str) -> dict[str, bool]:
    """Return the options of a configuration and whether they are on."""
    return {
        on or off: state in ("y", "m") for on, state, off in _SETTING.findall(config) if on or off
    }


def reachable_with(scenario: Scenario) -> tuple[str, ...]:
    """Return the kernels that have all options that an attack needs."""
    return tuple(
        name
        for name, options in kernels().items()
        if not unmet(scenario.needs, {option for option, on in options.items() if on})
    )


def unknown() -> dict[str, set[str]]:
    """Return for each distribution the options that attacks need and its file does not list."""
    needed = _needed()
    return {name: needed - set(options) for name, options in kernels().items() if name != OURS}


def _needed() -> set[str]:
    return {need.removeprefix("!") for one in SCENARIOS.values() for need in one.needs}


def survey(name: str, config: str, origin: str) -> str:
    """Return the reduced file: options that attacks need, and those that the file listed before."""
    path = CONFIGS / f"{name}.config"
    wanted = _needed() | set(settings(path.read_text()) if path.is_file() else ())
    values = {on: state for on, state, _ in _SETTING.findall(config) if on}
    lines = [
        f"CONFIG_{option}={values[option]}" if option in values else f"# CONFIG_{option} is not set"
        for option in sorted(wanted)
    ]
    head = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        f"# {origin}",
        "# Reduced to what attacks need.",
    ]
    return "\n".join([*head, *lines, ""])


def main(arguments: Sequence[str]) -> int:
    """Write configs/NAME.config."""
    name, config, origin = arguments
    (CONFIGS / f"{name}.config").write_text(survey(name, Path(config).read_text(), origin))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
