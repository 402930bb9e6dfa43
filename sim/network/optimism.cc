#include "sim/network/optimism.h"

#include <array>

namespace ridgeline::network {
namespace {

constexpr Bytes Megabytes(double value) { return Gigabytes(value * 1e-3); }

constexpr std::array<OptimismStep, 4> kOneNode = {
    {{Bytes{}, 1.0}, {Megabytes(2), 0.55}, {Megabytes(64), 0.15}, {Gigabytes(1), 0.03}}};
constexpr std::array<OptimismStep, 4> kManyNodes = {
    {{Bytes{}, 1.0}, {Megabytes(2), 0.44}, {Megabytes(128), 0.16}, {Gigabytes(1), 0.03}}};
// 1 / ata_ratio - 1: .44 .65 .74 on one node, the worst of 2 to 16 nodes .52 .72 .81.
constexpr std::array<OptimismStep, 3> kAllToAllOneNode = {
    {{Bytes{}, 1.27}, {Megabytes(128), 0.54}, {Gigabytes(1), 0.35}}};
constexpr std::array<OptimismStep, 3> kAllToAllManyNodes = {
    {{Bytes{}, 0.92}, {Megabytes(128), 0.39}, {Gigabytes(1), 0.25}}};

}  // namespace

std::span<const OptimismStep> OptimismOf(CollectiveKind kind, bool is_one_node) {
  if (kind == CollectiveKind::kAllToAll) {
    return is_one_node ? std::span<const OptimismStep>(kAllToAllOneNode)
                       : std::span<const OptimismStep>(kAllToAllManyNodes);
  }
  return is_one_node ? std::span<const OptimismStep>(kOneNode)
                     : std::span<const OptimismStep>(kManyNodes);
}

}  // namespace ridgeline::network
