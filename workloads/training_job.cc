#include "workloads/training_job.h"

#include <array>
#include <utility>

namespace ridgeline::workloads {

EnumTable<Sharding> EnumNames(Tag<Sharding>) {
  static constexpr std::array<std::pair<std::string_view, Sharding>, 6> kTable = {{
      {"none", Sharding::kNone},
      {"ddp", Sharding::kDdp},
      {"zero-1", Sharding::kZero1},
      {"zero-2", Sharding::kZero2},
      {"zero-3", Sharding::kZero3},
      {"fsdp", Sharding::kFsdp},
  }};
  return kTable;
}

const Schema<DtypeOverrides>& SchemaOf(Tag<DtypeOverrides>) {
  static const Schema<DtypeOverrides> schema =
      Schema<DtypeOverrides>("data types that differ from the framework's")
          .Optional("parameters", &DtypeOverrides::parameters,
                    "of the weights that compute; fp32 keeps a single copy")
          .Optional("gradients", &DtypeOverrides::gradients, "of accumulated gradients")
          .Optional("reduce", &DtypeOverrides::reduce, "of gradients as they are sent")
          .Optional("optimizer", &DtypeOverrides::optimizer, "of each Adam moment");
  return schema;
}

const Schema<TrainingJob>& SchemaOf(Tag<TrainingJob>) {
  static const Schema<TrainingJob> schema =
      Schema<TrainingJob>("one training job: the model, the batch and how it is spread over GPUs")
          .Required("model", &TrainingJob::model,
                    "a name under configs/models, a path to a Hugging Face config.json, or its "
                    "keys inline (`base: NAME` takes the rest from a named one)")
          .Optional("layers", &TrainingJob::layers, "keep only the first n layers of the model",
                    {.at_least = 1, .at_most = 100'000})
          .Required("sequence_length", &TrainingJob::sequence_length, "tokens in a sequence",
                    {.at_least = 1, .at_most = int64_t{1} << 30})
          .Required("global_batch", &TrainingJob::global_batch,
                    "sequences in an optimizer step, over all replicas",
                    {.at_least = 1, .at_most = int64_t{1} << 30})
          .Optional("micro_batch", &TrainingJob::micro_batch,
                    "sequences that one replica computes at once",
                    {.at_least = 1, .at_most = int64_t{1} << 20})
          .Optional("gpus", &TrainingJob::gpus, "GPUs to use; default: the whole cluster",
                    {.at_least = 1, .at_most = int64_t{1} << 24})
          .Optional("precision", &TrainingJob::precision, "data type of the matrix multiplications")
          .Optional("dtypes", &TrainingJob::dtypes,
                    "data types of what is stored and sent; defaults come from the framework")
          .Optional("parallelism", &TrainingJob::parallelism, "how the job is spread over GPUs")
          .Optional("schedule", &TrainingJob::schedule,
                    "order of micro-batches in the pipeline; default: 1f1b, or interleaved when "
                    "vpp is above 1")
          .Optional("sharding", &TrainingJob::sharding,
                    "what data-parallel replicas share out; default: the framework's")
          .Optional("reshard", &TrainingJob::reshard,
                    "with sharding zero-3 or fsdp: parameters are given up after a layer's forward "
                    "and gathered again for its backward; default: true without a pipeline")
          .Optional("recompute", &TrainingJob::recompute,
                    "which activations are computed again in the backward pass")
          .Optional("recompute_detail", &TrainingJob::recompute_detail,
                    "which layers and modules are computed again")
          .Optional("offload", &TrainingJob::offload, "what waits in the host's memory")
          .Optional("fp8", &TrainingJob::fp8,
                    "how linear layers train with precision fp8; default: the framework's")
          .Optional("optimizer", &TrainingJob::optimizer, "the rule that updates parameters")
          .Optional("lora", &TrainingJob::lora, "train low-rank adapters, all else frozen")
          .Optional("next_token_layers", &TrainingJob::next_token_layers,
                    "layers of multi-token prediction to train, whatever the model's config says",
                    {.at_least = 0, .at_most = 64})
          .Optional("experts", &TrainingJob::experts, "how tokens spread over experts")
          .Optional("stage_layers", &TrainingJob::stage_layers,
                    "layers of each pipeline chunk, bottom to top; the first and the last may have "
                    "none; default: by the framework's placement")
          .Optional("run", &TrainingJob::run, "the whole run: tokens, checkpoints, failures")
          .Optional("ranks", &TrainingJob::ranks,
                    "what makes ranks differ; each is then simulated for itself")
          .Optional("attention", &TrainingJob::attention,
                    "attention kernel; default: the framework's")
          .Optional("framework", &TrainingJob::framework,
                    "a name under configs/frameworks, a path, or inline; default: megatron-core");
  return schema;
}

}  // namespace ridgeline::workloads
