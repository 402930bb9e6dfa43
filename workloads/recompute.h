/// What a recomputation policy makes of a lowered layer: steps of its forward that the backward
/// begins with, and the bytes that are no longer kept.
///
/// Modules (NVIDIA/Megatron-LM megatron/core/transformer/transformer_config.py recompute_modules):
/// the pieces that parts of a layer offer (RecomputablePiece); one inside another counts once.
/// Operations (pytorch/torchtitan torchtitan/distributed/activation_checkpoint.py, selective "op"):
/// the results of the first, third, fifth ... plain product of a layer, of attention, of
/// reduce-scatters and of all-to-alls are kept, whoever needs them, with the layer's input; all
/// else runs again, up to the last step whose input the backward needs. Grouped products are not
/// kept.
#pragma once

#include <vector>

#include "base/units.h"
#include "workloads/lowering.h"

namespace ridgeline::workloads {

struct RankShape;
struct PartOfLayer;

/// Both parts of a layer; either may be empty.
struct PartsOfLayer {
  const PartOfLayer* mixer = nullptr;
  const PartOfLayer* feed_forward = nullptr;
};

/// Puts the policy's steps before the layer's backward and moves bytes from `saved_activations` to
/// `recompute_buffer`. `lowered.forward` is the mixer's steps, then the feed-forward's.
void ApplyRecompute(const LoweringRequest& request, const RankShape& shape, PartsOfLayer parts,
                    LoweredLayer& lowered);

/// The modules of which a layer of this kind offers a piece that keeps less, in the order of the
/// enumeration: what a choice can choose from.
std::vector<RecomputeModule> ModulesOf(PartsOfLayer parts);

}  // namespace ridgeline::workloads
