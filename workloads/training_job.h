/// The `training:` block of a scenario, as written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "workloads/framework.h"
#include "workloads/low_rank.h"
#include "workloads/lowering.h"
#include "workloads/model.h"
#include "workloads/optimizer.h"
#include "workloads/parallelism.h"
#include "workloads/pipeline_schedule.h"
#include "workloads/rank_variation.h"
#include "workloads/training_run.h"

namespace ridgeline::workloads {

/// What data-parallel replicas share out: nothing, optimizer states, gradients too, parameters too.
enum class Sharding { kNone, kDdp, kZero1, kZero2, kZero3, kFsdp };
EnumTable<Sharding> EnumNames(Tag<Sharding>);
inline bool ShardsParameters(Sharding sharding) {
  return sharding == Sharding::kZero3 || sharding == Sharding::kFsdp;
}
inline bool ShardsGradients(Sharding sharding) {
  return ShardsParameters(sharding) || sharding == Sharding::kZero2;
}

/// Overrides of the framework's data types; unset ones keep the framework's.
struct DtypeOverrides {
  std::optional<DType> parameters, gradients, reduce, optimizer;
  friend bool operator==(const DtypeOverrides&, const DtypeOverrides&) = default;
};

struct TrainingJob {
  Reference<Model> model;
  std::optional<int64_t> layers;  // keep only the first n (scaled-down studies)
  int64_t sequence_length = 0;
  int64_t global_batch = 0;  // sequences
  int64_t micro_batch = 1;
  std::optional<int64_t> gpus;  // default: the whole cluster
  DType precision = DType::kBf16;
  DtypeOverrides dtypes;
  Parallelism parallelism;
  std::optional<ScheduleKind> schedule;  // default: 1f1b, interleaved when vpp > 1
  std::optional<Sharding> sharding;      // default: the framework's
  /// Parameters that are cut over ranks are given up after a layer's forward; default: without a
  /// pipeline (torchtitan, reshard_after_forward).
  std::optional<bool> reshard;
  Recompute recompute = Recompute::kNone;
  RecomputePolicy recompute_detail;
  Offload offload;
  std::optional<Fp8Recipe> fp8;  // of precision fp8; default: the framework's
  OptimizerKind optimizer = OptimizerKind::kAdamW;
  LowRankAdapters lora;
  int64_t next_token_layers = 0;  // that predict tokens further ahead (next_token_layer.h)
  ExpertRouting experts;
  std::vector<int64_t> stage_layers;  // of each chunk, bottom to top; default: even
  std::optional<TrainingRun> run;
  RankVariation ranks;
  std::optional<AttentionChoice> attention;  // default: the framework's
  Reference<Framework> framework;            // default: megatron-core
};
const Schema<TrainingJob>& SchemaOf(Tag<TrainingJob>);
const Schema<DtypeOverrides>& SchemaOf(Tag<DtypeOverrides>);

}  // namespace ridgeline::workloads
