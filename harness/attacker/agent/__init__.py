# SPDX-License-Identifier: GPL-2.0-only
"""The channel to the agent in the guest, and the system calls that the agent makes."""
