# SPDX-License-Identifier: GPL-2.0-only
"""The search for attacks by program: typed system calls, made in batches, judged by the witness."""
