#include <array>
#include <optional>
#include <string>
#include <variant>

#include "base/config_reader.h"
#include "base/operation.h"
#include "base/units_text.h"
#include "hardware/gpu.h"
#include "planner/validation/field_quantity.h"
#include "planner/validation/source_mapping.h"
#include "sim/network/wire_bound.h"
#include "workloads/hf_config.h"
#include "workloads/model.h"

namespace ridgeline::validation {
namespace {

// ---- of a GPU

struct GpuParameters {
  Reference<hardware::Gpu> gpu;
  DType dtype = DType::kBf16;
};

const Schema<GpuParameters>& SchemaOf(Tag<GpuParameters>) {
  static const Schema<GpuParameters> schema =
      Schema<GpuParameters>("a GPU")
          .Required("gpu", &GpuParameters::gpu, "a name under configs/gpus")
          .Optional("dtype", &GpuParameters::dtype, "of the peak");
  return schema;
}

Result<FlopsPerSecond> Peak(const hardware::Gpu& gpu, DType dtype) {
  const std::optional<FlopsPerSecond> peak = hardware::PeakOf(gpu, dtype);
  if (!peak) {
    return InvalidArgument(gpu.name + " does not compute in " + std::string(DTypeName(dtype)));
  }
  return *peak;
}

Result<double> GpuPeak(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const GpuParameters parameters, Decode<GpuParameters>(with));
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(parameters.gpu));
  ASSIGN_OR_RETURN(const FlopsPerSecond peak, Peak(gpu, parameters.dtype));
  return peak.base();
}

Result<double> GpuMemoryBandwidth(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const GpuParameters parameters, Decode<GpuParameters>(with));
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(parameters.gpu));
  return gpu.memory.bandwidth.base();
}

/// Vendors count both directions.
Result<double> GpuNvlinkBothWays(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const GpuParameters parameters, Decode<GpuParameters>(with));
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(parameters.gpu));
  return 2.0 * gpu.nvlink.bandwidth.base();
}

Result<FlopsPerByte> RidgePoint(const Reference<hardware::Gpu>& reference, DType dtype,
                                const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const hardware::Gpu gpu, catalog.ResolveGpu(reference));
  ASSIGN_OR_RETURN(const FlopsPerSecond peak, Peak(gpu, dtype));
  return peak / gpu.memory.bandwidth;
}

Result<double> GpuRidgePoint(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const GpuParameters parameters, Decode<GpuParameters>(with));
  ASSIGN_OR_RETURN(const FlopsPerByte ridge, RidgePoint(parameters.gpu, parameters.dtype, catalog));
  return ridge.base();
}

// ---- of an operation

enum class OperationKind { kGemm, kAttention, kSoftmax };
EnumTable<OperationKind> EnumNames(Tag<OperationKind>) {
  static constexpr std::array<std::pair<std::string_view, OperationKind>, 3> kNames = {
      {{"gemm", OperationKind::kGemm},
       {"attention", OperationKind::kAttention},
       {"softmax", OperationKind::kSoftmax}}};
  return kNames;
}

enum class KernelName { kFlash, kNaive };
EnumTable<KernelName> EnumNames(Tag<KernelName>) {
  static constexpr std::array<std::pair<std::string_view, KernelName>, 2> kNames = {
      {{"flash", KernelName::kFlash}, {"naive", KernelName::kNaive}}};
  return kNames;
}

struct OperationParameters {
  OperationKind op = OperationKind::kGemm;
  DType dtype = DType::kBf16;
  int64_t m = 1, n = 1, k = 1;
  int64_t tokens = 1, heads = 1, kv_heads = 1, head_dim = 128;
  bool causal = false;
  KernelName kernel = KernelName::kFlash;
  double flops_per_element = 0.0;
  Reference<hardware::Gpu> gpu;
};

const Schema<OperationParameters>& SchemaOf(Tag<OperationParameters>) {
  static const Schema<OperationParameters> schema =
      Schema<OperationParameters>("an operation")
          .Required("op", &OperationParameters::op, "which")
          .Optional("dtype", &OperationParameters::dtype, "of its operands")
          .Optional("m", &OperationParameters::m, "rows of a GEMM", {.at_least = 1})
          .Optional("n", &OperationParameters::n, "columns of a GEMM", {.at_least = 1})
          .Optional("k", &OperationParameters::k, "inner size of a GEMM", {.at_least = 1})
          .Optional("tokens", &OperationParameters::tokens, "of attention or softmax",
                    {.at_least = 1})
          .Optional("heads", &OperationParameters::heads, "query heads", {.at_least = 1})
          .Optional("kv_heads", &OperationParameters::kv_heads, "key heads", {.at_least = 1})
          .Optional("head_dim", &OperationParameters::head_dim, "of a head", {.at_least = 1})
          .Optional("causal", &OperationParameters::causal, "lower triangle only")
          .Optional("kernel", &OperationParameters::kernel, "of attention")
          .Optional("flops_per_element", &OperationParameters::flops_per_element,
                    "arithmetic of an elementwise kernel", {.at_least = 0.0})
          .Optional("gpu", &OperationParameters::gpu, "whose ridge point to compare with");
  return schema;
}

Operation OperationOf(const OperationParameters& p) {
  switch (p.op) {
    case OperationKind::kGemm:
      return Gemm{.m = p.m, .n = p.n, .k = p.k, .dtype = p.dtype, .output_dtype = p.dtype};
    case OperationKind::kAttention:
      return Attention{.kernel = p.kernel == KernelName::kFlash ? AttentionKernel::kFlash
                                                                : AttentionKernel::kNaive,
                       .dtype = p.dtype,
                       .causal = p.causal,
                       .q_len = p.tokens,
                       .kv_len = p.tokens,
                       .heads = p.heads,
                       .kv_heads = p.kv_heads,
                       .head_dim = p.head_dim};
    case OperationKind::kSoftmax: {
      // One row of scores a token: read once, written once.
      const double elements = static_cast<double>(p.tokens) * static_cast<double>(p.tokens);
      const Bytes bytes = elements * BytesPerElement(p.dtype);
      return MemoryBound{.kind = MemoryBoundKind::kSoftmax,
                         .read = bytes,
                         .written = bytes,
                         .flops = Flops::FromBase(elements * p.flops_per_element),
                         .dtype = p.dtype};
    }
  }
  return MemoryBound{};
}

FlopsPerByte Intensity(const OperationParameters& parameters) {
  const Operation operation = OperationOf(parameters);
  return FlopsOf(operation) / BytesOf(operation);
}

Result<double> OperationIntensity(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const OperationParameters parameters, Decode<OperationParameters>(with));
  return Intensity(parameters).base();
}

/// Above 1 the operation is bound by arithmetic, below by memory.
Result<double> OperationIntensityOverRidge(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const OperationParameters parameters, Decode<OperationParameters>(with));
  ASSIGN_OR_RETURN(const FlopsPerByte ridge, RidgePoint(parameters.gpu, parameters.dtype, catalog));
  return Intensity(parameters) / ridge;
}

Result<double> OperationFlops(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const OperationParameters parameters, Decode<OperationParameters>(with));
  return FlopsOf(OperationOf(parameters)).base();
}

// ---- of a model

struct ModelParametersDocument {
  AnyValue model;
  AnyValue reference;
  int64_t tokens = 1;
  DType dtype = DType::kBf16;
};

const Schema<ModelParametersDocument>& SchemaOf(Tag<ModelParametersDocument>) {
  static const Schema<ModelParametersDocument> schema =
      Schema<ModelParametersDocument>("a model")
          .Required("model", &ModelParametersDocument::model, "a name or an inline config")
          .Optional("reference", &ModelParametersDocument::reference, "what to compare with")
          .Optional("tokens", &ModelParametersDocument::tokens, "of a sequence", {.at_least = 1})
          .Optional("dtype", &ModelParametersDocument::dtype, "of the cache");
  return schema;
}

Result<workloads::Model> ModelOf(const Node& node, const hardware::Catalog& catalog) {
  if (node.is_map()) {
    return workloads::ReadHfConfig(node, "inline");
  }
  ASSIGN_OR_RETURN(const std::filesystem::path path, catalog.FindOrPath("models", node.scalar));
  ASSIGN_OR_RETURN(const Node config, ReadDocument(path));
  return workloads::ReadHfConfig(config, node.scalar);
}

Result<double> ModelParameterCount(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const ModelParametersDocument read, Decode<ModelParametersDocument>(with));
  ASSIGN_OR_RETURN(const workloads::Model model, ModelOf(read.model.node, catalog));
  return static_cast<double>(workloads::CountParameters(model).total);
}

Result<double> KvCacheBytes(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const ModelParametersDocument read, Decode<ModelParametersDocument>(with));
  ASSIGN_OR_RETURN(const workloads::Model model, ModelOf(read.model.node, catalog));
  const double elements =
      static_cast<double>(workloads::KvElementsPerToken(model)) * static_cast<double>(read.tokens);
  return (elements * BytesPerElement(read.dtype)).base();
}

/// Cache of `model` over that of `reference`, a token.
Result<double> KvCacheRatio(const Node& with, const hardware::Catalog& catalog) {
  ASSIGN_OR_RETURN(const ModelParametersDocument read, Decode<ModelParametersDocument>(with));
  ASSIGN_OR_RETURN(const workloads::Model model, ModelOf(read.model.node, catalog));
  ASSIGN_OR_RETURN(const workloads::Model reference, ModelOf(read.reference.node, catalog));
  return static_cast<double>(workloads::KvElementsPerToken(model)) /
         static_cast<double>(workloads::KvElementsPerToken(reference));
}

// ---- of a collective

struct CollectiveParameters {
  std::string kind = "all_reduce";
  int64_t ranks = 1;
};

const Schema<CollectiveParameters>& SchemaOf(Tag<CollectiveParameters>) {
  static const Schema<CollectiveParameters> schema =
      Schema<CollectiveParameters>("a collective on a ring")
          .Required("kind", &CollectiveParameters::kind, "all_reduce, all_gather or reduce_scatter")
          .Required("ranks", &CollectiveParameters::ranks, "of the ring", {.at_least = 1});
  return schema;
}

/// Bytes that a rank of a ring sends for each byte of the full buffer, which is also what no other
/// way sends less than: the time on links of one byte a second without latency.
Result<double> RingWireFactor(const Node& with, const hardware::Catalog&) {
  ASSIGN_OR_RETURN(const CollectiveParameters p, Decode<CollectiveParameters>(with));
  Collective collective{.kind = CollectiveKind::kAllReduce,
                        .bytes = Bytes::FromBase(1),
                        .group = {.ranks = p.ranks, .ranks_per_node = p.ranks}};
  const network::WirePeaks peaks{.inside = BytesPerSecond::FromBase(1), .across = {}};
  for (const CollectiveKind kind :
       {CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter}) {
    if (p.kind == CollectiveName(kind)) {
      collective.kind = kind;
      return network::WireBound(collective, peaks).base();
    }
  }
  return InvalidArgument("no such collective on a ring: " + p.kind,
                         "all_reduce, all_gather or reduce_scatter");
}

constexpr std::array<FieldQuantity, 11> kQuantities = {{
    {"gpu.peak", QuantityUnit::kFlopsPerSecond, "vendor's dense peak in a data type", GpuPeak},
    {"gpu.memory_bandwidth", QuantityUnit::kBytesPerSecond, "vendor's peak", GpuMemoryBandwidth},
    {"gpu.nvlink_bandwidth", QuantityUnit::kBytesPerSecond, "both directions together",
     GpuNvlinkBothWays},
    {"gpu.ridge_point", QuantityUnit::kFlopsPerByte, "peak over memory bandwidth", GpuRidgePoint},
    {"operation.intensity", QuantityUnit::kFlopsPerByte, "FLOPs over compulsory bytes",
     OperationIntensity},
    {"operation.intensity_over_ridge", QuantityUnit::kNone,
     "above 1: bound by arithmetic; below: by memory", OperationIntensityOverRidge},
    {"operation.flops", QuantityUnit::kFlops, "FLOPs of one operation", OperationFlops},
    {"model.parameters", QuantityUnit::kNone, "all of them", ModelParameterCount},
    {"kv_cache.bytes_per_sequence", QuantityUnit::kBytes, "keys and values of `tokens` tokens",
     KvCacheBytes},
    {"collective.ring_wire_factor", QuantityUnit::kNone,
     "bytes a rank sends for each byte of the buffer", RingWireFactor},
    {"kv_cache.ratio", QuantityUnit::kNone, "cache of a model over that of another, a token",
     KvCacheRatio},
}};

}  // namespace

std::span<const FieldQuantity> MachineQuantities() { return kQuantities; }

const FieldQuantity* FindQuantity(std::string_view name) {
  for (const auto quantities : {MachineQuantities(), TrainingQuantities()}) {
    for (const FieldQuantity& quantity : quantities) {
      if (quantity.name == name) {
        return &quantity;
      }
    }
  }
  return nullptr;
}

namespace {
template <class Q>
Result<double> InBase(std::string_view text) {
  ASSIGN_OR_RETURN(const Q value, ParseQuantity<Q>(text));
  return value.base();
}
}  // namespace

Result<double> ParseInUnit(QuantityUnit unit, std::string_view text) {
  switch (unit) {
    case QuantityUnit::kNone:
      return ParseRatio(text);
    case QuantityUnit::kBytes:
      return InBase<Bytes>(text);
    case QuantityUnit::kFlops:
      return InBase<Flops>(text);
    case QuantityUnit::kFlopsPerSecond:
      return InBase<FlopsPerSecond>(text);
    case QuantityUnit::kBytesPerSecond:
      return InBase<BytesPerSecond>(text);
    case QuantityUnit::kFlopsPerByte:
      return InBase<FlopsPerByte>(text);
  }
  return InvalidArgument("unknown unit");
}

std::string FormatInUnit(QuantityUnit unit, double value) {
  switch (unit) {
    case QuantityUnit::kNone:
      return fmt::format("{:.4g}", value);
    case QuantityUnit::kBytes:
      return Format(Bytes::FromBase(value));
    case QuantityUnit::kFlops:
      return Format(Flops::FromBase(value));
    case QuantityUnit::kFlopsPerSecond:
      return Format(FlopsPerSecond::FromBase(value));
    case QuantityUnit::kBytesPerSecond:
      return Format(BytesPerSecond::FromBase(value));
    case QuantityUnit::kFlopsPerByte:
      return Format(FlopsPerByte::FromBase(value));
  }
  return {};
}

}  // namespace ridgeline::validation
