/// What the cost of a timed operation is looked up by. An operation splits into a *pattern*, the
/// same operation with every size set to 1 (one table of costs a pattern and condition), and a
/// *shape*, its sizes. From both and a GPU's figures come features: where the shape stands among
/// measured ones, and what physics says about it.
///
/// Coordinates are octaves (log2 of a size or of a number of waves), so that a distance of 1 is a
/// factor of 2 whatever the family. Waves are tile-quantised: ceil(tiles / streaming
/// multiprocessors) for tiles that libraries use; that is where times jump between m and m + 1.
#pragma once

#include <array>
#include <cstdint>

#include "calibration/measured_operation.h"
#include "hardware/gpu.h"

namespace ridgeline::calibration {

inline constexpr size_t kMostSizes = 8;
inline constexpr size_t kMostCoordinates = 8;
inline constexpr size_t kMostTerms = 12;

/// The sizes of an operation in a fixed order by family; see SizesOf. 0 stands for "none" (a
/// window).
struct Shape {
  std::array<int64_t, kMostSizes> sizes{};
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

/// How many sizes a family has: gemm (batch m n k), grouped_gemm (groups m n k), attention (batch
/// q_len kv_len heads kv_heads head_dim v_head_dim window), memory-bound (read written rows), moe
/// (tokens hidden ffn experts top_k ep, skew in hundredths), collectives (bytes ranks
/// ranks_per_node).
size_t NumSizes(const TimedOperation& operation);
Shape ShapeOf(const TimedOperation& operation);
TimedOperation PatternOf(const TimedOperation& operation);
TimedOperation WithShape(const TimedOperation& pattern, const Shape& shape);

/// Vendor's figures that the features of one pattern need. A rate of 0: the GPU has none.
struct MachineRates {
  double flops = 0;      // FLOP/s in the pattern's data type
  double bandwidth = 0;  // B/s of device memory; of the links for collectives
  double multiprocessors = 1;
};
MachineRates RatesOf(const hardware::Gpu& gpu, const TimedOperation& pattern);

struct Features {
  /// Octaves; the first `num_coordinates` span the space in which neighbours are sought.
  std::array<float, kMostTerms> terms{};
  uint8_t num_coordinates = 0;
  uint8_t num_terms = 0;  // coordinates, then further terms that a local fit may use
  double compute_seconds = 0;
  double memory_seconds = 0;
};
/// `operation` has the pattern that `rates` are of, and is no OtherOperation.
Features FeaturesOf(const TimedOperation& operation, const MachineRates& rates);

}  // namespace ridgeline::calibration
