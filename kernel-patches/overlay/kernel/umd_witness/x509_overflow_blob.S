/* SPDX-License-Identifier: GPL-2.0-only */
#define BLOB "umd_witness_x509_overflow_umh"
#include "loader_blob.S"
