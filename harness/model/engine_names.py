# SPDX-License-Identifier: GPL-2.0-only
"""The names of the engines, for what must not import the engines themselves: they load slowly."""

DEFAULT_ENGINE = "microvm"
"""The engine that commands take unless `--engine` names another."""

ENGINE_NAMES = (DEFAULT_ENGINE, "virtme", "image")
"""The keys of `harness.engines.ENGINES`, in its order."""
