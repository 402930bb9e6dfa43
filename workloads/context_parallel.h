/// How the ranks of a context-parallel group, each with 1/cp of every sequence, attend to all of
/// it.
///
/// Ring: keys and values travel round the group, one send a step behind the step's attention (Ring
/// Attention, arXiv:2310.01889; NVIDIA/TransformerEngine context_parallel.py, p2p). All-to-all:
/// heads are exchanged for tokens before and after attention (DeepSpeed Ulysses, arXiv:2309.14509).
/// All-gather: keys and values are gathered, their gradients scattered (Llama 3, arXiv:2407.21783,
/// section 3.3.2). Both: all-to-all inside, a ring of those groups outside (USP, arXiv:2405.07719).
/// Each rank holds a chunk from either end of the sequence, so that causal work is even.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"

namespace ridgeline::workloads {

enum class ContextExchange { kRing, kAllToAll, kAllGather, kBoth };
EnumTable<ContextExchange> EnumNames(Tag<ContextExchange>);

/// `context:` of a scenario's parallelism.
struct ContextParallel {
  std::optional<ContextExchange> exchange;  // default: the framework's
  int64_t inner = 1;  // with kBoth: ranks of the all-to-all inside; the ring has cp / inner
  friend bool operator==(const ContextParallel&, const ContextParallel&) = default;
};
const Schema<ContextParallel>& SchemaOf(Tag<ContextParallel>);

}  // namespace ridgeline::workloads
