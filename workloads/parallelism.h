/// How a training job is spread over GPUs, and which spreads are legal. Order of ranks, fastest
/// first: tp, cp, dp (experts inside), pp; tp stays inside a node whenever it fits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/operation.h"
#include "base/result.h"
#include "workloads/context_parallel.h"
#include "workloads/layer_placement.h"
#include "workloads/model.h"

namespace ridgeline::workloads {

/// The axes in which ranks are counted, slowest last: which ranks are neighbours.
enum class RankAxis { kTensor, kContext, kData, kPipeline };
EnumTable<RankAxis> EnumNames(Tag<RankAxis>);

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

/// The axes along which ranks communicate.
/// kExpertTensor: of the experts' own tp. kShard: the ranks of dp·cp that share out states, and
/// kReplica: those that hold the same part (HSDP; kShard is kData and kReplica one rank without).
/// kContextInner, kContextOuter: all-to-all and ring of ContextExchange::kBoth.
enum class Axis {
  kTensor,
  kContext,
  kExpert,
  kData,
  kExpertData,
  kPipeline,
  kExpertTensor,
  kShard,
  kReplica,
  kContextInner,
  kContextOuter
};

/// All sizes known.
struct Layout {
  int64_t tp = 1, pp = 1, vpp = 1, cp = 1, ep = 1, dp = 1;
  int64_t etp = 0;    // of the experts; 0: tp
  int64_t shard = 0;  // ranks of dp·cp that share out states; 0: all
  ContextExchange exchange = ContextExchange::kRing;
  int64_t context_inner = 1;         // ranks of the all-to-all inside ContextExchange::kBoth
  std::vector<RankAxis> order = {};  // empty: tp, cp, dp, pp
  bool sequence_parallel = false;
  int64_t gpus_per_node = 8;
  int64_t gpus() const { return tp * pp * cp * dp; }
};

/// The ranks of one group along an axis, and how many of them share a node. Neighbours along tp are
/// adjacent, then cp, then dp. kData is the group that reduces dense gradients, dp·cp ranks;
/// kExpert takes ep neighbours of it and kExpertData, which reduces the experts' gradients, every
/// ep-th. Where a size does not divide the node, groups lie differently; the answer is the one over
/// most nodes, which the others wait for, its ranks taken as evenly spread.
RankGroup GroupOf(const Layout& layout, Axis axis);

/// A rank of pipeline stage `stage` and its partner in the next stage; after the last comes the
/// first, as interleaving needs. On one node only when both stages lie on it, for then, and only
/// then, every pair of partners does.
RankGroup BoundaryGroup(const Layout& layout, int64_t stage);

/// Settings that legality depends on; see CheckLayout.
struct LayoutRequest {
  Parallelism parallelism;
  int64_t gpus = 0;
  int64_t gpus_per_node = 8;
  int64_t global_batch = 1;  // sequences
  int64_t micro_batch = 1;
  int64_t sequence_length = 0;
  LayerPlacement placement = {};                              // of layers over pipeline chunks
  ContextExchange context_exchange = ContextExchange::kRing;  // the framework's
};

/// The layout, or why not: every broken rule at once, each with the key's path
/// (`training.parallelism.tp`), the numbers, and a hint that lists what would be legal. Rules: tp
/// divides heads and KV heads (training frameworks do not replicate KV heads as serving engines
/// do), feed-forward width; tp·pp·cp·dp =
/// gpus; dp·micro_batch divides global_batch; pp·vpp divides layers (with embedding and head
/// counted when the framework does); ep divides the experts and dp·cp; interleaving needs
/// micro-batches in multiples of pp; vpp > 1 needs pp > 1; sequence length divisible by tp under
/// sequence parallelism and by 2·cp under context parallelism.
Result<Layout> CheckLayout(const Model& model, const LayoutRequest& request);

}  // namespace ridgeline::workloads
