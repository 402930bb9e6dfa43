#include "workloads/framework.h"

#include <array>

namespace ridgeline::workloads {

EnumTable<AttentionChoice> EnumNames(Tag<AttentionChoice>) {
  static constexpr std::array<std::pair<std::string_view, AttentionChoice>, 7> kNames{
      {{"flash", AttentionChoice::kFlash},
       {"naive", AttentionChoice::kNaive},
       {"flash-2", AttentionChoice::kFlash2},
       {"cudnn", AttentionChoice::kCudnn},
       {"flash-1", AttentionChoice::kFlash1},
       {"flash-triton", AttentionChoice::kFlashTriton},
       {"flash-3", AttentionChoice::kFlash3}}};
  return kNames;
}

AttentionKernel KernelOf(AttentionChoice choice) {
  switch (choice) {
    case AttentionChoice::kNaive:
      return AttentionKernel::kNaive;
    case AttentionChoice::kFlash1:
    case AttentionChoice::kFlashTriton:
    case AttentionChoice::kFlash2:
      return AttentionKernel::kFlash2;
    case AttentionChoice::kCudnn:
      return AttentionKernel::kCudnn;
    case AttentionChoice::kFlash3:
    case AttentionChoice::kFlash:
      break;
  }
  return AttentionKernel::kFlash;
}

Slowdown SlowdownOf(AttentionChoice choice) {
  if (choice == AttentionChoice::kFlash1) {
    return {.mean = 2.26, .low = 1.7, .high = 3.0};
  }
  if (choice == AttentionChoice::kFlashTriton) {
    return {.mean = 1.8, .low = 1.3, .high = 2.5};
  }
  return {};
}

const Schema<TrainingDtypes>& SchemaOf(Tag<TrainingDtypes>) {
  static const Schema<TrainingDtypes> schema =
      Schema<TrainingDtypes>("data types of what training keeps and sends")
          .Optional("parameters", &TrainingDtypes::parameters, "of the copy that computes")
          .Optional("gradients", &TrainingDtypes::gradients, "of gradients as accumulated")
          .Optional("reduce", &TrainingDtypes::reduce, "of gradients as sent")
          .Optional("optimizer", &TrainingDtypes::optimizer, "of each Adam moment")
          .Optional("master", &TrainingDtypes::master,
                    "of the master copy; equal to parameters means that none is kept");
  return schema;
}

const Schema<Fusion>& SchemaOf(Tag<Fusion>) {
  static const Schema<Fusion> schema =
      Schema<Fusion>("which matrix products are one")
          .Optional("qkv", &Fusion::qkv, "queries, keys and values by one product")
          .Optional("gate_up", &Fusion::gate_up, "gate and up by one product")
          .Optional("gradient_accumulation", &Fusion::gradient_accumulation,
                    "weight gradients accumulated by the GEMM's epilogue");
  return schema;
}

EnumTable<GradientBuffers> EnumNames(Tag<GradientBuffers>) {
  static constexpr std::array<std::pair<std::string_view, GradientBuffers>, 2> kNames{
      {{"persistent", GradientBuffers::kPersistent}, {"on_demand", GradientBuffers::kOnDemand}}};
  return kNames;
}

const Schema<Allocator>& SchemaOf(Tag<Allocator>) {
  static const Schema<Allocator> schema =
      Schema<Allocator>("what is held of a GPU beside the tensors of a step")
          .Optional("reserved_low", &Allocator::reserved_low, "reserved over allocated, at least",
                    {.at_least = 1.0, .at_most = 4.0})
          .Optional("reserved_high", &Allocator::reserved_high, "reserved over allocated, at most",
                    {.at_least = 1.0, .at_most = 4.0})
          .Optional("workspace", &Allocator::workspace, "of the matrix libraries",
                    {.at_least = Bytes{}})
          .Optional("context", &Allocator::context, "CUDA's and the libraries' own",
                    {.at_least = Bytes{}})
          .Rule([](const Allocator& allocator, const Node& node, const DecodeContext& context) {
            if (allocator.reserved_high < allocator.reserved_low) {
              context.Fail(node, fmt::format("reserved_high is below reserved_low: {} and {}",
                                             allocator.reserved_high, allocator.reserved_low));
            }
          });
  return schema;
}

const Schema<UpdateKernel>& SchemaOf(Tag<UpdateKernel>) {
  static const Schema<UpdateKernel> schema =
      Schema<UpdateKernel>("the optimizer's kernel")
          .Optional("factor", &UpdateKernel::factor,
                    "of the time that its bytes take in the profile's table", {.above = 0.0})
          .Optional("tables_factor", &UpdateKernel::tables_factor,
                    "likewise, for the word embedding and the output head", {.above = 0.0});
  return schema;
}

const Schema<Overlap>& SchemaOf(Tag<Overlap>) {
  static const Schema<Overlap> schema =
      Schema<Overlap>("which communication runs behind computation")
          .Optional("gradient_reduce", &Overlap::gradient_reduce,
                    "gradient reduction behind the last micro-batch's backward")
          .Optional("parameter_gather", &Overlap::parameter_gather,
                    "the distributed optimizer's all-gather behind the next forward")
          .Optional("pipeline_sends", &Overlap::pipeline_sends,
                    "activations travel while the stage computes")
          .Optional("tensor_parallel", &Overlap::tensor_parallel,
                    "tensor-parallel collectives behind their GEMMs, in chunks")
          .Optional("expert_parallel", &Overlap::expert_parallel,
                    "dispatch and combine of one micro-batch beside another's computation")
          .Optional("tensor_parallel_backward", &Overlap::tensor_parallel_backward,
                    "the saved input is gathered beside the input gradient, and the input "
                    "gradient reduced beside the weight gradient");
  return schema;
}

const Schema<GradientCopies>& SchemaOf(Tag<GradientCopies>) {
  static const Schema<GradientCopies> schema =
      Schema<GradientCopies>("how gradients come into what is reduced")
          .Optional("buckets", &GradientCopies::buckets,
                    "into buckets of their own and, reduced, out of them")
          .Optional("sharded", &GradientCopies::sharded,
                    "of sharded layers: time of the copy over what its traffic takes",
                    {.at_least = 0.1, .at_most = 20.0});
  return schema;
}

const Schema<Framework>& SchemaOf(Tag<Framework>) {
  static const Schema<Framework> schema =
      Schema<Framework>("what a training framework does with a model")
          .Optional("name", &Framework::name, "as under configs/frameworks")
          .Optional("title", &Framework::title, "for people")
          .Optional("aliases", &Framework::aliases, "other names")
          .Optional("dtypes", &Framework::dtypes, "data types of what training keeps and sends")
          .Optional("attention", &Framework::attention,
                    "the attention kernel: flash (the GPU's fastest), flash-2, cudnn or naive")
          .Optional("decode_attention", &Framework::decode_attention,
                    "the attention kernel of one query a sequence")
          .Optional("fusion", &Framework::fusion, "which matrix products are one")
          .Optional("recipes", &Framework::recipes, "kernels that are bound by memory")
          .Optional("gradients", &Framework::gradients,
                    "when a gradient has memory: always, or once the backward has made it")
          .Optional("pipeline_keeps_outputs", &Framework::pipeline_keeps_outputs,
                    "the last stage's outputs of every micro-batch, to the end of the step")
          .Optional("clips_gradients", &Framework::clips_gradients,
                    "by their global norm, before the optimizer")
          .Optional("update", &Framework::update, "the optimizer's kernel")
          .Optional("allocator", &Framework::allocator,
                    "what is held of a GPU beside the tensors of a step")
          .Optional("dropout", &Framework::dropout,
                    "dropout on embeddings, branches and attention's probabilities")
          .Optional("overlap", &Framework::overlap, "which communication runs behind computation")
          .Optional("tensor_overlap", &Framework::tensor_overlap,
                    "how tensor-parallel collectives run behind products, in pieces")
          .Optional("host", &Framework::host, "time that the host takes to issue work")
          .Optional("gradient_copies", &Framework::gradient_copies,
                    "how gradients come into what is reduced")
          .Optional("gradient_bucket", &Framework::gradient_bucket,
                    "gradients, in their reduce type, before a reduction starts",
                    {.at_least = Bytes{}})
          .Optional("gradient_bucket_per_replica", &Framework::gradient_bucket_per_replica,
                    "times the data-parallel replicas: the bucket, where that is more than "
                    "gradient_bucket",
                    {.at_least = Bytes{}})
          .Optional("default_sharding", &Framework::default_sharding,
                    "what data-parallel replicas share out when a job does not say: none, ddp, "
                    "zero-1, zero-2, zero-3 or fsdp")
          .Optional("context_exchange", &Framework::context_exchange,
                    "how ranks that share a sequence attend to all of it")
          .Optional("fp8", &Framework::fp8, "how linear layers train in fp8")
          .Optional("fp8_kernels", &Framework::fp8_kernels,
                    "what kernels do of the quantisation to fp8")
          .Optional("counts_embedding_as_layer", &Framework::counts_embedding_as_layer,
                    "embedding and head take a layer's place each in the pipeline")
          .Optional("counts_head_as_layer", &Framework::counts_head_as_layer,
                    "the head takes a layer's place in the pipeline; default: as the embedding")
          .Optional("placement", &Framework::placement,
                    "how layers are cut into pipeline stages when a job does not say")
          .Optional("sources", &Framework::sources, "where every setting above comes from");
  return schema;
}

}  // namespace ridgeline::workloads
