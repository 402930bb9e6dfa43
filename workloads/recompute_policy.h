/// What is computed again in the backward instead of kept.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/config_reader.h"
#include "base/units.h"

namespace ridgeline::workloads {

/// kSelective: the core of attention (arXiv:2205.05198). kFull: whole layers from their input.
/// kModules: those of RecomputePolicy::modules (NVIDIA/Megatron-LM --recompute-modules).
/// kOperations: products, attention and collectives are kept but for every second product
/// (pytorch/torchtitan, selective activation checkpointing "op"). kOptimal: the layers, and of them
/// the parts, that cost least time for a budget of memory.
enum class Recompute { kNone, kSelective, kFull, kModules, kOperations, kOptimal };
EnumTable<Recompute> EnumNames(Tag<Recompute>);

/// kCoreAttention: scores and their softmax; a flash kernel too. kNorm: both norms. kActivation: of
/// the feed-forward (and of experts). kFeedForward: the dense one, whole. kMixture: routing to
/// combination. kExperts: the experts' products. kUpProjection: of latent attention, from latents
/// to queries, keys and values.
enum class RecomputeModule {
  kCoreAttention,
  kNorm,
  kActivation,
  kFeedForward,
  kMixture,
  kExperts,
  kUpProjection
};
EnumTable<RecomputeModule> EnumNames(Tag<RecomputeModule>);

/// `recompute_detail:` of a training job.
struct RecomputePolicy {
  /// Of kFull: only the first n layers of each chunk (--recompute-method block); default: all.
  std::optional<int64_t> layers;
  std::vector<RecomputeModule> modules;  // of kModules
  /// Of kOptimal: bytes a GPU; default: what makes the job fit.
  std::optional<Bytes> budget;
  friend bool operator==(const RecomputePolicy&, const RecomputePolicy&) = default;
};
const Schema<RecomputePolicy>& SchemaOf(Tag<RecomputePolicy>);

/// `offload:`: what waits in the host's memory.
struct Offload {
  double activations = 0.0;  // share of each layer's kept activations
  bool optimizer = false;    // states, and the update by the host's processors
  friend bool operator==(const Offload&, const Offload&) = default;
};
const Schema<Offload>& SchemaOf(Tag<Offload>);

}  // namespace ridgeline::workloads
