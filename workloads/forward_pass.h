/// The `forward:` block of a scenario, as written: one prefill or decode pass of a batch of equal
/// sequences, the smallest question there is.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "base/operation.h"
#include "workloads/framework.h"
#include "workloads/model.h"
#include "workloads/parallelism.h"

namespace ridgeline {

EnumTable<AttentionPhase> EnumNames(Tag<AttentionPhase>);

}  // namespace ridgeline

namespace ridgeline::workloads {

struct ForwardPass {
  Reference<Model> model;
  std::optional<int64_t> layers;
  AttentionPhase phase = AttentionPhase::kDecode;
  int64_t batch = 1;  // sequences
  int64_t context =
      1;  // tokens a sequence: in the prompt (prefill), in the KV cache before (decode)
  Parallelism parallelism;
  DType precision = DType::kBf16;  // of weights and computation
  std::optional<DType> kv_cache;   // default: the precision
  Reference<Framework> framework;  // default: pytorch-graph
};
const Schema<ForwardPass>& SchemaOf(Tag<ForwardPass>);

}  // namespace ridgeline::workloads
