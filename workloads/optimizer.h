/// The optimizer: what it keeps a parameter, and what its update reads, writes and computes.
///
/// Adam and AdamW keep two moments (arXiv:1412.6980, 1711.05101); 8-bit Adam keeps both in bytes
/// with a scale for 256 (arXiv:2110.02861); SGD one momentum; Adafactor a row and a column of each
/// matrix in place of the second moment, and no first (arXiv:1804.04235); Muon one momentum of
/// matrices, orthogonalised by five Newton-Schulz steps of products (Jordan et al. 2024), and AdamW
/// for the rest.
#pragma once

#include "base/config_reader.h"

namespace ridgeline::workloads {

enum class OptimizerKind { kAdam, kAdamW, kAdam8Bit, kSgd, kAdafactor, kMuon };
EnumTable<OptimizerKind> EnumNames(Tag<OptimizerKind>);

}  // namespace ridgeline::workloads
