#include "sim/training/communication_buffers.h"

#include <algorithm>
#include <array>

#include "workloads/rank_groups.h"

namespace ridgeline::training {
namespace {

constexpr double kConnection = (512.0 + 4800.0 + 4096.0) * 1024.0;  // LL, LL128, Simple
constexpr double kConnectionsOfChannel = 3.0;
constexpr double kChannelsInNode = 24.0;
constexpr double kChannelsOfPort = 2.0;

Bytes OfGroup(const RankGroup& group) {
  if (group.ranks <= 1) {
    return {};
  }
  const double channels = group.ranks_per_node > 1 ? kChannelsInNode : kChannelsOfPort;
  return Bytes::FromBase(channels * kConnectionsOfChannel * kConnection);
}

}  // namespace

Bytes CommunicationBuffers(const workloads::Layout& layout) {
  using workloads::Axis;
  Bytes all;
  for (const Axis axis :
       {Axis::kTensor, Axis::kContext, Axis::kExpert, Axis::kData, Axis::kPipeline}) {
    all += OfGroup(workloads::GroupOf(layout, axis));
  }
  return all + OfGroup({.ranks = layout.gpus(),
                        .ranks_per_node = std::min(layout.gpus(), layout.gpus_per_node)});
}

}  // namespace ridgeline::training
