#include "calibration/measured_operation.h"

#include <array>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ridgeline::calibration {
namespace {

using Json = nlohmann::json;

constexpr double kMostExactInteger = 9007199254740992.0;  // 2^53: JSON numbers are doubles

/// Reads fields of one object and remembers the first mistake, so that the readers below stay one
/// line a field.
class FieldReader {
 public:
  explicit FieldReader(const Json& object) : object_(object) {}

  bool Has(const char* name) const { return object_.contains(name); }

  int64_t Count(const char* name, std::optional<int64_t> otherwise = std::nullopt) {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      if (!otherwise) {
        Blame(fmt::format("missing field: {}", name));
      }
      return otherwise.value_or(1);
    }
    const double value = found->is_number() ? found->get<double>() : -1.0;
    // 0 is a size only where it says "none": a window.
    const double least = otherwise == 0 ? 0.0 : 1.0;
    if (!(value >= least) || value > kMostExactInteger || value != std::floor(value)) {
      Blame(fmt::format("{} must be a whole number from {:.0f}: {}", name, least, found->dump()));
      return 1;
    }
    return static_cast<int64_t>(value);
  }

  double Number(const char* name, double otherwise) {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      return otherwise;
    }
    if (!found->is_number() || !(found->get<double>() >= 0)) {
      Blame(fmt::format("{} must be a number from 0: {}", name, found->dump()));
      return otherwise;
    }
    return found->get<double>();
  }

  bool Flag(const char* name, bool otherwise) {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      return otherwise;
    }
    if (!found->is_boolean()) {
      Blame(fmt::format("{} must be true or false: {}", name, found->dump()));
      return otherwise;
    }
    return found->get<bool>();
  }

  std::string Text(const char* name, const std::string& otherwise) {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      return otherwise;
    }
    if (!found->is_string()) {
      Blame(fmt::format("{} must be text: {}", name, found->dump()));
      return otherwise;
    }
    return found->get_ref<const std::string&>();
  }

  /// One of `names`, as an enumerator.
  template <class E, size_t N>
  E Choice(const char* name, const std::array<std::string_view, N>& names) {
    const std::string text = Text(name, std::string(names.front()));
    for (size_t i = 0; i < N; ++i) {
      if (names[i] == text) {
        return static_cast<E>(i);
      }
    }
    Blame(fmt::format("unknown {}: {}", name, text));
    return E{};
  }

  DType Type(const char* name, DType otherwise) {
    const std::string text = Text(name, std::string(DTypeName(otherwise)));
    const std::optional<DType> dtype = ParseDType(text);
    if (!dtype) {
      Blame(fmt::format("{} is not a data type: {}", name, text));
    }
    return dtype.value_or(otherwise);
  }

  void Blame(std::string message) {
    if (mistake_.empty()) {
      mistake_ = std::move(message);
    }
  }
  const std::string& mistake() const { return mistake_; }

 private:
  const Json& object_;
  std::string mistake_;
};

Gemm ReadGemm(FieldReader& fields) {
  Gemm gemm{.m = fields.Count("m"),
            .n = fields.Count("n"),
            .k = fields.Count("k"),
            .batch = fields.Count("batch", 1),
            .dtype = fields.Type("dtype", DType::kBf16)};
  gemm.output_dtype = fields.Type(
      "output_dtype", BytesPerElement(gemm.dtype) < Bytes::FromBase(2) ? DType::kBf16 : gemm.dtype);
  gemm.accumulates = fields.Flag("accumulates", false);
  return gemm;
}

GroupedGemm ReadGroupedGemm(FieldReader& fields) {
  GroupedGemm gemm{.groups = fields.Count("groups"),
                   .m = fields.Count("m"),
                   .n = fields.Count("n"),
                   .k = fields.Count("k"),
                   .dtype = fields.Type("dtype", DType::kBf16)};
  gemm.output_dtype = fields.Type(
      "output_dtype", BytesPerElement(gemm.dtype) < Bytes::FromBase(2) ? DType::kBf16 : gemm.dtype);
  gemm.weight_gradient = fields.Flag("weight_gradient", false);
  gemm.accumulates = fields.Flag("accumulates", false);
  return gemm;
}

Attention ReadAttention(FieldReader& fields) {
  Attention attention;
  const std::string phase = fields.Text("phase", "prefill");
  const std::string pass = fields.Text("pass", "forward");
  const std::string kernel = fields.Text("kernel", "flash");
  if (phase != "prefill" && phase != "decode") {
    fields.Blame("phase must be prefill or decode: " + phase);
  }
  if (pass != "forward" && pass != "backward") {
    fields.Blame("pass must be forward or backward: " + pass);
  }
  if (kernel != "flash" && kernel != "naive" && kernel != "flash-2" && kernel != "cudnn") {
    fields.Blame("kernel must be flash, flash-2, cudnn or naive: " + kernel);
  }
  attention.phase = phase == "decode" ? AttentionPhase::kDecode : AttentionPhase::kPrefill;
  attention.pass = pass == "backward" ? AttentionPass::kBackward : AttentionPass::kForward;
  attention.kernel = kernel == "naive"     ? AttentionKernel::kNaive
                     : kernel == "flash-2" ? AttentionKernel::kFlash2
                     : kernel == "cudnn"   ? AttentionKernel::kCudnn
                                           : AttentionKernel::kFlash;
  attention.dtype = fields.Type("dtype", DType::kBf16);
  const bool is_decode = attention.phase == AttentionPhase::kDecode;
  attention.causal = fields.Flag("causal", true);
  attention.batch = fields.Count("batch", 1);
  attention.q_len = is_decode ? fields.Count("q_len", 1) : fields.Count("q_len");
  attention.kv_len = is_decode ? fields.Count("kv_len") : fields.Count("kv_len", attention.q_len);
  attention.heads = fields.Count("heads");
  attention.kv_heads = fields.Count("kv_heads", attention.heads);
  attention.head_dim = fields.Count("head_dim");
  attention.v_head_dim = fields.Count("v_head_dim", 0);
  if (attention.v_head_dim == attention.head_dim) {
    attention.v_head_dim = 0;
  }
  attention.window = fields.Count("window", 0);
  return attention;
}

struct KindTraffic {
  MemoryBoundKind kind;
  double read;     // elements read for each of tokens x hidden
  double written;  // and written
};
/// By name: what a kernel over a [tokens, hidden] array moves. `hidden` is the width of the result;
/// a gated activation reads two arrays of it. Dropout's mask is a byte an element.
constexpr std::array<std::pair<std::string_view, KindTraffic>, 19> kKinds = {{
    {"rmsnorm", {MemoryBoundKind::kRmsNorm, 1, 1}},
    {"layernorm", {MemoryBoundKind::kLayerNorm, 1, 1}},
    {"rotary", {MemoryBoundKind::kRotary, 1, 1}},
    {"swiglu", {MemoryBoundKind::kSwiGlu, 2, 1}},
    {"gelu", {MemoryBoundKind::kGelu, 1, 1}},
    {"residual_add", {MemoryBoundKind::kResidualAdd, 2, 1}},
    {"residual", {MemoryBoundKind::kResidualAdd, 2, 1}},
    {"dropout", {MemoryBoundKind::kDropout, 1, 1}},
    {"softmax", {MemoryBoundKind::kSoftmax, 1, 1}},
    {"cross_entropy", {MemoryBoundKind::kCrossEntropy, 1, 1}},
    {"embedding", {MemoryBoundKind::kEmbedding, 1, 1}},
    {"adam", {MemoryBoundKind::kOptimizer, 0, 0}},
    {"optimizer", {MemoryBoundKind::kOptimizer, 0, 0}},
    {"gradient_norm", {MemoryBoundKind::kGradientNorm, 1, 0}},
    {"cast", {MemoryBoundKind::kCast, 1, 1}},
    {"copy", {MemoryBoundKind::kCopy, 1, 1}},
    {"routing", {MemoryBoundKind::kRouting, 0, 0}},
    {"permute", {MemoryBoundKind::kPermute, 1, 1}},
    {"scan", {MemoryBoundKind::kScan, 0, 0}},
}};

const KindTraffic* FindKind(std::string_view name) {
  for (const auto& [kind_name, traffic] : kKinds) {
    if (kind_name == name) {
      return &traffic;
    }
  }
  return nullptr;
}

/// Values of a [tokens, width] array. The width goes by the name that the kernel knows it by.
double ElementsOf(FieldReader& fields) {
  if (fields.Has("elements")) {
    return static_cast<double>(fields.Count("elements"));
  }
  const auto tokens = static_cast<double>(fields.Count("tokens"));
  if (fields.Has("heads")) {  // rotary turns queries and keys
    return tokens * static_cast<double>(fields.Count("heads") + fields.Count("kv_heads", 1)) *
           static_cast<double>(fields.Count("head_dim"));
  }
  for (const char* const width : {"ffn", "vocabulary"}) {
    if (fields.Has(width)) {
      return tokens * static_cast<double>(fields.Count(width));
    }
  }
  return tokens * static_cast<double>(fields.Count("hidden"));
}

/// Mixed-precision Adam: reads the gradient and three fp32 states (master copy, both moments),
/// writes the states and, unless parameters are fp32 themselves, their copy in `dtype`.
void ReadOptimizer(FieldReader& fields, MemoryBound& work) {
  const auto parameters = static_cast<double>(fields.Count("parameters"));
  const Bytes states = parameters * 3 * BytesPerElement(DType::kFp32);
  work.read = states + parameters * BytesPerElement(fields.Type("gradient_dtype", DType::kFp32));
  work.written = states;
  if (work.dtype != DType::kFp32) {
    work.written += parameters * BytesPerElement(work.dtype);
  }
}

/// In order of preference: read_bytes and written_bytes, or bytes (both together, halved), or the
/// array's sizes with the traffic of the kind.
MemoryBound ReadMemoryBound(const KindTraffic& traffic, FieldReader& fields) {
  MemoryBound work{.kind = traffic.kind, .dtype = fields.Type("dtype", DType::kBf16)};
  work.rows = fields.Count("tokens", 0);
  if (fields.Has("read_bytes") || fields.Has("written_bytes")) {
    work.read = Bytes::FromBase(fields.Number("read_bytes", 0));
    work.written = Bytes::FromBase(fields.Number("written_bytes", 0));
    if (!(Bytes() < work.read + work.written)) {
      fields.Blame("read_bytes and written_bytes are both 0");
    }
  } else if (fields.Has("bytes")) {
    const Bytes both = Bytes::FromBase(static_cast<double>(fields.Count("bytes")));
    work.read = both / 2;
    work.written = both / 2;
  } else if (traffic.kind == MemoryBoundKind::kOptimizer) {
    ReadOptimizer(fields, work);
  } else if (traffic.read + traffic.written > 0) {
    const double elements = ElementsOf(fields);
    // A norm fused with the residual's addition reads both and writes the sum as well.
    const double fused = fields.Flag("residual", false) ? 1 : 0;
    // A cast writes the other type; cross-entropy its gradient, in fp32.
    const DType written = fields.Type(
        "output_dtype", traffic.kind == MemoryBoundKind::kCrossEntropy ? DType::kFp32 : work.dtype);
    work.read = elements * (traffic.read + fused) * BytesPerElement(work.dtype);
    work.written = elements * (traffic.written + fused) * BytesPerElement(written);
  } else {
    fields.Blame("missing field: bytes (read plus written), or read_bytes and written_bytes");
  }
  return work;
}

MixtureLayer ReadMixture(FieldReader& fields) {
  MixtureLayer layer{.tokens = fields.Count("tokens"),
                     .hidden = fields.Count("hidden"),
                     .ffn = fields.Count("ffn"),
                     .experts = fields.Count("experts"),
                     .top_k = fields.Count("top_k", 1),
                     .ep = fields.Count("ep", 1),
                     .skew = fields.Number("skew", 0),
                     .dtype = fields.Type("dtype", DType::kBf16)};
  if (layer.top_k > layer.experts || layer.ep > layer.experts) {
    fields.Blame("top_k and ep cannot exceed experts");
  }
  return layer;
}

std::optional<CollectiveKind> FindCollective(std::string_view name) {
  for (const CollectiveKind kind :
       {CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter,
        CollectiveKind::kAllToAll, CollectiveKind::kBroadcast, CollectiveKind::kSend}) {
    if (CollectiveName(kind) == name) {
      return kind;
    }
  }
  return std::nullopt;
}

Collective ReadCollective(CollectiveKind kind, FieldReader& fields) {
  Collective collective;
  collective.kind = kind;
  collective.dtype = fields.Type("dtype", DType::kBf16);
  collective.bytes = Bytes::FromBase(static_cast<double>(fields.Count("bytes")));
  collective.group.ranks =
      kind == CollectiveKind::kSend ? fields.Count("ranks", 2) : fields.Count("ranks");
  collective.group.ranks_per_node = fields.Count("ranks_per_node", collective.group.ranks);
  return collective;
}

TimedOperation ReadOperation(const std::string& name, const Json& object, FieldReader& fields) {
  if (name == "gemm") {
    return ReadGemm(fields);
  }
  if (name == "grouped_gemm") {
    return ReadGroupedGemm(fields);
  }
  if (name == "attention") {
    return ReadAttention(fields);
  }
  if (name == "moe") {
    return ReadMixture(fields);
  }
  if (const KindTraffic* const traffic = FindKind(name)) {
    return ReadMemoryBound(*traffic, fields);
  }
  if (const std::optional<CollectiveKind> kind = FindCollective(name)) {
    return ReadCollective(*kind, fields);
  }
  return OtherOperation{.name = name, .text = object.dump()};
}

Condition ReadCondition(FieldReader& fields) {
  return {.clock = fields.Choice<hardware::Clock>("clock", hardware::kClockNames),
          .launch = fields.Choice<hardware::Launch>("launch", hardware::kLaunchNames),
          .cache = fields.Choice<hardware::CacheState>("cache", hardware::kCacheStateNames),
          .layout = fields.Choice<hardware::Layout>("layout", hardware::kLayoutNames)};
}

}  // namespace

Result<Condition> ParseCondition(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return InvalidArgument("not a condition: " + std::string(text.substr(0, 80)));
  }
  FieldReader fields(object);
  const Condition condition = ReadCondition(fields);
  if (!fields.mistake().empty()) {
    return InvalidArgument(fields.mistake());
  }
  return condition;
}

Result<OperationLine> ParseOperationLine(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) {
    return InvalidArgument("not a JSON object: " + std::string(line.substr(0, 80)));
  }
  FieldReader fields(object);
  const std::string name = fields.Text("op", "");
  if (name.empty()) {
    return InvalidArgument("missing field: op", R"(write {"op":"gemm","m":512,"n":4096,"k":5120})");
  }
  OperationLine result{.operation = ReadOperation(name, object, fields), .condition = {}};
  result.condition = ReadCondition(fields);
  if (!fields.mistake().empty()) {
    return InvalidArgument(fmt::format("{}: {}", name, fields.mistake()));
  }
  return result;
}

namespace {

struct TextWriter {
  Json operator()(const Gemm& gemm) const {
    return {{"op", "gemm"},
            {"m", gemm.m},
            {"n", gemm.n},
            {"k", gemm.k},
            {"batch", gemm.batch},
            {"dtype", DTypeName(gemm.dtype)},
            {"output_dtype", DTypeName(gemm.output_dtype)},
            {"accumulates", gemm.accumulates}};
  }
  Json operator()(const GroupedGemm& gemm) const {
    return {{"op", "grouped_gemm"},
            {"groups", gemm.groups},
            {"m", gemm.m},
            {"n", gemm.n},
            {"k", gemm.k},
            {"dtype", DTypeName(gemm.dtype)},
            {"output_dtype", DTypeName(gemm.output_dtype)},
            {"weight_gradient", gemm.weight_gradient},
            {"accumulates", gemm.accumulates}};
  }
  Json operator()(const Attention& attention) const {
    return {{"op", "attention"},
            {"phase", attention.phase == AttentionPhase::kPrefill ? "prefill" : "decode"},
            {"pass", attention.pass == AttentionPass::kForward ? "forward" : "backward"},
            {"kernel", AttentionKernelName(attention.kernel)},
            {"dtype", DTypeName(attention.dtype)},
            {"causal", attention.causal},
            {"batch", attention.batch},
            {"q_len", attention.q_len},
            {"kv_len", attention.kv_len},
            {"heads", attention.heads},
            {"kv_heads", attention.kv_heads},
            {"head_dim", attention.head_dim},
            {"v_head_dim", attention.v_head_dim},
            {"window", attention.window}};
  }
  Json operator()(const MemoryBound& work) const {
    return {{"op", OperationName(work)},
            {"dtype", DTypeName(work.dtype)},
            {"read_bytes", work.read.base()},
            {"written_bytes", work.written.base()},
            {"tokens", work.rows}};
  }
  Json operator()(const MixtureLayer& layer) const {
    return {{"op", "moe"},
            {"dtype", DTypeName(layer.dtype)},
            {"tokens", layer.tokens},
            {"hidden", layer.hidden},
            {"ffn", layer.ffn},
            {"experts", layer.experts},
            {"top_k", layer.top_k},
            {"ep", layer.ep},
            {"skew", layer.skew}};
  }
  Json operator()(const Collective& collective) const {
    return {{"op", CollectiveName(collective.kind)},
            {"dtype", DTypeName(collective.dtype)},
            {"bytes", static_cast<int64_t>(collective.bytes.base())},
            {"ranks", collective.group.ranks},
            {"ranks_per_node", collective.group.ranks_per_node}};
  }
  Json operator()(const OtherOperation& other) const {
    return Json::parse(other.text, nullptr, false);
  }
};

}  // namespace

std::string OperationText(const TimedOperation& operation) {
  return std::visit(TextWriter{}, operation).dump();
}

std::string ConditionText(const Condition& condition) {
  return Json{{"clock", Name(condition.clock)},
              {"launch", Name(condition.launch)},
              {"cache", Name(condition.cache)},
              {"layout", Name(condition.layout)}}
      .dump();
}

}  // namespace ridgeline::calibration
