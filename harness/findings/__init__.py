# SPDX-License-Identifier: GPL-2.0-only
"""The findings: what the kept runs answer, question by question, and what each defence costs."""
