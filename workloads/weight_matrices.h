/// The matrices of a layer as one rank holds them: what optimizers that look at whole matrices work
/// on, and what is quantised where products run in fp8. Norms, biases and sinks are none.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/framework.h"
#include "workloads/model.h"
#include "workloads/parallelism.h"

namespace ridgeline::workloads {

struct WeightMatrix {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t count = 1;       // alike: experts
  bool is_expert = false;  // reduced over expert data parallelism
  bool is_product = true;  // of a linear layer, which fp8 is for; a router is none
  double elements() const {
    return static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(count);
  }
};

/// Attention's and the feed-forward's, cut by tp (experts: by their own tp and by ep), gate and up
/// as one where the framework keeps them so. Queries, keys and values are apart: optimizers split
/// them (NVIDIA/Megatron-LM --muon-split-qkv). Empty for mixers that are not trained yet. O(1).
std::vector<WeightMatrix> MatricesOnRank(const Model& model, const Layer& layer,
                                         const Layout& layout, const Fusion& fusion);

}  // namespace ridgeline::workloads
