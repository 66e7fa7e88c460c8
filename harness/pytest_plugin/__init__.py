# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: one test for each cell, run by the same code as `umd-harness run`."""
