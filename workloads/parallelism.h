/// How a training job is spread over GPUs, and which spreads are legal. Where the groups of a legal
/// one lie: rank_groups.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/result.h"
#include "workloads/context_parallel.h"
#include "workloads/layer_placement.h"
#include "workloads/model.h"
#include "workloads/rank_groups.h"

namespace ridgeline::workloads {

struct Parallelism {
  int64_t tp = 1;
  int64_t pp = 1;
  int64_t vpp = 1;  // virtual stages a pipeline rank holds
  int64_t cp = 1;
  int64_t ep = 1;  // experts spread over ranks that are data-parallel for everything else
  /// Tensor parallelism of the experts; default: tp. Expert groups then take etp·ep ranks of
  /// tp·cp·dp (parallel folding, arXiv:2504.14960).
  std::optional<int64_t> etp = std::nullopt;
  std::optional<int64_t> dp = std::nullopt;  // what is left; may be stated, and is then checked
  /// Replicas that share out states (HSDP): every so many of the dp·cp ranks hold all of them, and
  /// gradients are reduced over the groups. Default: all dp·cp.
  std::optional<int64_t> shard = std::nullopt;
  ContextParallel context = {};
  std::vector<RankAxis> order = {};                      // fastest first; default: tp, cp, dp, pp
  std::optional<bool> sequence_parallel = std::nullopt;  // default: tp > 1
  friend bool operator==(const Parallelism&, const Parallelism&) = default;
};
const Schema<Parallelism>& SchemaOf(Tag<Parallelism>);

/// Settings that legality depends on; see CheckLayout.
struct LayoutRequest {
  Parallelism parallelism;
  int64_t gpus = 0;
  int64_t gpus_per_node = 8;
  int64_t global_batch = 1;  // sequences
  int64_t micro_batch = 1;
  int64_t sequence_length = 0;
  LayerPlacement placement = {};  // of layers over pipeline chunks
  bool interleaves = true;        // virtual stages are those of the interleaved schedule
  ContextExchange context_exchange = ContextExchange::kRing;  // the framework's
};

/// The layout, or why not: every broken rule at once, each with the key's path
/// (`training.parallelism.tp`), the numbers, and a hint that lists what would be legal. Rules: tp
/// divides heads and KV heads (training frameworks do not replicate KV heads as serving engines
/// do), feed-forward width; tp·pp·cp·dp = gpus; dp·micro_batch divides global_batch; pp·vpp divides
/// layers (with embedding and head counted when the framework does), or stage_layers says what each
/// chunk has; ep divides the experts and dp·cp, or etp·ep divides tp·cp·dp and etp the experts'
/// width; interleaving needs micro-batches in multiples of pp; vpp > 1 needs pp > 1; sequence
/// length divisible by tp under sequence parallelism and by 2·cp under context parallelism; an
/// all-to-all over cp (or over `inner` ranks, which divide cp) divides the heads of a rank, and
/// divides or repeats its KV heads evenly; shard divides dp·cp, and its ranks hold all experts;
/// order names every axis once.
Result<Layout> CheckLayout(const Model& model, const LayoutRequest& request);

}  // namespace ridgeline::workloads
