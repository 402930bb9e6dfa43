/// A layout with all its sizes known, and the ranks of each group in it: who communicates with whom
/// and over how many nodes. A rank's number counts the axes tp, cp, dp and pp as digits, the
/// fastest first, and nodes hold runs of `gpus_per_node` numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/config_reader.h"
#include "base/operation.h"
#include "workloads/context_parallel.h"

namespace ridgeline::workloads {

/// The axes in which ranks are counted, slowest last: which ranks are neighbours.
enum class RankAxis { kTensor, kContext, kData, kPipeline };
EnumTable<RankAxis> EnumNames(Tag<RankAxis>);

/// The axes along which ranks communicate.
/// kExpertTensor: of the experts' own tp. kShard: the ranks of dp·cp that share out states, and
/// kReplica: those that hold the same part (HSDP; kShard is kData and kReplica one rank without).
/// kContextInner, kContextOuter: all-to-all and ring of ContextExchange::kBoth. kExpertShard,
/// kExpertReplica: as kShard and kReplica, of the experts' states.
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
  kContextOuter,
  kExpertShard,
  kExpertReplica
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
  int64_t model_copies = 1;  // in one pipeline: 2 with DualPipe, on ranks r and pp - 1 - r
  int64_t gpus() const { return tp * pp * cp * dp; }
  /// Ranks that hold the same dense parameters.
  int64_t replicas() const { return dp * cp; }
  int64_t expert_tp() const { return etp > 0 ? etp : tp; }
  /// Whether experts' groups take ranks of tp too: their tp is not everyone's (parallel folding,
  /// arXiv:2504.14960).
  bool folds_experts() const { return expert_tp() != tp; }
  /// Ranks that hold the same experts.
  int64_t expert_replicas() const { return tp * replicas() / (expert_tp() * ep); }
  /// Groups of replicas that each hold all states; 1 without HSDP.
  int64_t shard_groups() const { return shard > 0 ? replicas() / shard : 1; }
};

/// The ranks of one group along an axis, and how many of them share a node.
///
/// kData, the group that reduces dense gradients, has the dp·cp ranks; kShard takes `shard`
/// neighbours of it, and kReplica every `shard`-th. kExpert takes ep neighbours of it and
/// kExpertData, which reduces the experts' gradients, every ep-th; where experts fold, neighbours
/// are of all tp·cp·dp ranks of a stage, in the layout's order: first etp, then ep, then
/// kExpertData. kContextInner takes neighbours of kContext.
///
/// With two copies of the model in a pipeline the groups that share gradients and states take in
/// the ranks of both: kData, kExpertData, and kShard, kExpertShard or, with HSDP, kReplica and
/// kExpertReplica.
///
/// Groups along one axis lie alike where sizes divide the node. Elsewhere the answer is the one
/// over most nodes, which the others wait for, its ranks taken as evenly spread. Constant time,
/// except where the order parts the axes of a group: O(GPUs).
RankGroup GroupOf(const Layout& layout, Axis axis);

/// Two ranks that follow each other in a group: of one step of a ring. On one node only when the
/// group is.
RankGroup NeighboursIn(const RankGroup& group);

/// A rank of pipeline stage `stage` and its partner in the next stage; after the last comes the
/// first, as interleaving needs. On one node only when both stages lie on it, for then, and only
/// then, every pair of partners does.
RankGroup BoundaryGroup(const Layout& layout, int64_t stage);

}  // namespace ridgeline::workloads
