# SPDX-License-Identifier: GPL-2.0-only
"""What users bring: scenario files, variant files and attack programs."""
