#include "calibration/nvtx_operation.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/nearest_name.h"
#include "base/units_text.h"
#include "calibration/kernel_name.h"

namespace ridgeline::calibration {
namespace {

using Json = nlohmann::json;
using Sizes = std::vector<std::vector<int64_t>>;

constexpr std::string_view kSizes = "sizes = ";

/// "aten::mm, seq = 12, sizes = [[4, 4], [4, 8]], input_op_ids = ...": name and sizes. A tensor
/// that is none (a scalar, a flag) is [].
struct Operator {
  std::string_view name;
  Sizes sizes;
};

std::optional<Operator> ReadOperator(std::string_view text) {
  Operator result{.name = text.substr(0, text.find(", ")), .sizes = {}};
  const size_t at = text.find(kSizes);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view list = text.substr(at + kSizes.size());
  int depth = 0;
  size_t end = 0;
  for (; end < list.size(); ++end) {
    depth += list[end] == '[' ? 1 : list[end] == ']' ? -1 : 0;
    if (depth == 0) {
      break;
    }
  }
  const Json parsed = Json::parse(list.substr(0, end + 1), nullptr, false);
  if (!parsed.is_array()) {
    return std::nullopt;
  }
  for (const Json& tensor : parsed) {
    std::vector<int64_t>& dimensions = result.sizes.emplace_back();
    if (!tensor.is_array()) {
      return std::nullopt;
    }
    for (const Json& dimension : tensor) {
      if (!dimension.is_number_integer()) {
        dimensions.clear();  // a list of tensors: its shapes nest one deeper
        break;
      }
      dimensions.push_back(dimension.get<int64_t>());
    }
  }
  return result;
}

int64_t RowsOf(const std::vector<int64_t>& tensor) {
  return std::accumulate(tensor.begin(), tensor.end() - 1, int64_t{1}, std::multiplies<>());
}

/// Dimensions of the tensor at `index`, when it has `count` of them.
const std::vector<int64_t>* Tensor(const Sizes& sizes, size_t index, size_t count) {
  return index < sizes.size() && sizes[index].size() == count ? &sizes[index] : nullptr;
}

enum class Form {
  kProduct,      // [m, k], [k, n] from tensor `first`
  kBatched,      // [b, m, k], [b, k, n]
  kLinear,       // [..., k], [n, k]
  kHeadsFirst,   // attention of [b, heads, tokens, dim]
  kTokensFirst,  // attention of [b, tokens, heads, dim]
  kRows,         // [..., hidden]
  kGather,       // [vocabulary, hidden], [indices]
  kSameShapes    // two tensors of one shape
};

struct KnownOperator {
  std::string_view name;
  Form form;
  size_t first = 0;          // index of the first tensor that counts
  std::string_view op = {};  // of `cost`, for memory-bound ones
  bool is_backward = false;
};

constexpr std::array<KnownOperator, 28> kOperators = {{
    {.name = "aten::mm", .form = Form::kProduct},
    {.name = "aten::_int_mm", .form = Form::kProduct},
    {.name = "aten::_scaled_mm", .form = Form::kProduct},
    {.name = "aten::addmm", .form = Form::kProduct, .first = 1},
    {.name = "aten::_addmm_activation", .form = Form::kProduct, .first = 1},
    {.name = "aten::bmm", .form = Form::kBatched},
    {.name = "aten::baddbmm", .form = Form::kBatched, .first = 1},
    {.name = "aten::linear", .form = Form::kLinear},
    {.name = "aten::_scaled_dot_product_flash_attention", .form = Form::kHeadsFirst},
    {.name = "aten::_scaled_dot_product_cudnn_attention", .form = Form::kHeadsFirst},
    {.name = "aten::_scaled_dot_product_efficient_attention", .form = Form::kHeadsFirst},
    {.name = "aten::_flash_attention_forward", .form = Form::kTokensFirst},
    {.name = "aten::_efficient_attention_forward", .form = Form::kTokensFirst},
    {.name = "flash_attn::_flash_attn_forward", .form = Form::kTokensFirst},
    {.name = "aten::_scaled_dot_product_flash_attention_backward",
     .form = Form::kHeadsFirst,
     .first = 1,
     .is_backward = true},
    {.name = "aten::_scaled_dot_product_cudnn_attention_backward",
     .form = Form::kHeadsFirst,
     .first = 1,
     .is_backward = true},
    {.name = "aten::_scaled_dot_product_efficient_attention_backward",
     .form = Form::kHeadsFirst,
     .first = 1,
     .is_backward = true},
    {.name = "aten::_flash_attention_backward",
     .form = Form::kTokensFirst,
     .first = 1,
     .is_backward = true},
    {.name = "flash_attn::_flash_attn_backward",
     .form = Form::kTokensFirst,
     .first = 1,
     .is_backward = true},
    {.name = "aten::native_layer_norm", .form = Form::kRows, .op = "layernorm"},
    {.name = "aten::_fused_rms_norm", .form = Form::kRows, .op = "rmsnorm"},
    {.name = "aten::rms_norm", .form = Form::kRows, .op = "rmsnorm"},
    {.name = "aten::_softmax", .form = Form::kRows, .op = "softmax"},
    {.name = "aten::gelu", .form = Form::kRows, .op = "gelu"},
    {.name = "aten::embedding", .form = Form::kGather, .op = "embedding"},
    {.name = "aten::add", .form = Form::kSameShapes, .op = "residual_add"},
    {.name = "aten::add_", .form = Form::kSameShapes, .op = "residual_add"},
    {.name = "aten::layer_norm", .form = Form::kRows, .op = "layernorm"},
}};

const KnownOperator* FindOperator(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(", "));
  for (const KnownOperator& known : kOperators) {
    if (known.name == name) {
      return &known;
    }
  }
  return nullptr;
}

tl::unexpected<Error> LeaveOut(std::string reason, std::string hint = {}) {
  return InvalidArgument(std::move(reason), std::move(hint));
}

Result<Json> ProductLine(const KnownOperator& known, const Sizes& sizes) {
  const size_t dimensions = known.form == Form::kBatched ? 3 : 2;
  const auto* const a = Tensor(sizes, known.first, dimensions);
  const auto* const b = Tensor(sizes, known.first + 1, dimensions);
  if (a == nullptr || b == nullptr || (*a)[dimensions - 1] != (*b)[dimensions - 2] ||
      (dimensions == 3 && (*a)[0] != (*b)[0])) {
    return LeaveOut(fmt::format("{}: sizes are not those of a product", known.name));
  }
  const int64_t m = (*a)[dimensions - 2];
  const int64_t n = (*b)[dimensions - 1];
  Json line{{"op", "gemm"}, {"m", m}, {"n", n}, {"k", a->back()}};
  if (dimensions == 3) {
    line["batch"] = a->front();
  }
  // A bias is a row; a whole matrix is added to.
  line["accumulates"] = known.first == 1 && sizes[0].size() == dimensions &&
                        sizes[0][dimensions - 2] == m && sizes[0].back() == n && m > 1;
  return line;
}

Result<Json> LinearLine(const KnownOperator& known, const Sizes& sizes) {
  const auto* const weights = Tensor(sizes, 1, 2);
  if (weights == nullptr || sizes[0].empty() || sizes[0].back() != (*weights)[1]) {
    return LeaveOut(fmt::format("{}: sizes are not those of a product", known.name));
  }
  return Json{{"op", "gemm"}, {"m", RowsOf(sizes[0])}, {"n", (*weights)[0]}, {"k", (*weights)[1]}};
}

Result<Json> AttentionLine(const KnownOperator& known, const Sizes& sizes,
                           std::span<const std::string_view> kernels, const TraceFacts& facts) {
  const auto* const q = Tensor(sizes, known.first, 4);
  const auto* const k = Tensor(sizes, known.first + 1, 4);
  const auto* const v = Tensor(sizes, known.first + 2, 4);
  if (q == nullptr || k == nullptr || v == nullptr) {
    return LeaveOut(
        fmt::format("{}: packed sequences, whose lengths are not in the sizes", known.name));
  }
  const size_t heads = known.form == Form::kHeadsFirst ? 1 : 2;
  const size_t tokens = 3 - heads;
  Json line{{"op", "attention"},
            {"batch", (*q)[0]},
            {"q_len", (*q)[tokens]},
            {"kv_len", (*k)[tokens]},
            {"heads", (*q)[heads]},
            {"kv_heads", (*k)[heads]},
            {"head_dim", (*q)[3]},
            {"v_head_dim", (*v)[3]},
            {"pass", known.is_backward ? "backward" : "forward"}};
  if ((*q)[tokens] == 1 && !known.is_backward) {
    line["phase"] = "decode";
    return line;
  }
  std::optional<bool> causal;
  for (const std::string_view kernel : kernels) {
    causal = causal ? causal : CausalIn(kernel);
  }
  causal = causal ? causal : facts.causal;
  if (!causal) {
    return LeaveOut("attention: neither sizes nor kernels say whether it is causal",
                    "--assume causal=yes");
  }
  line["causal"] = *causal;
  return line;
}

Result<Json> RowsLine(const KnownOperator& known, const Sizes& sizes) {
  const bool is_gather = known.form == Form::kGather;
  const size_t needed = is_gather || known.form == Form::kSameShapes ? 2 : 1;
  if (sizes.size() < needed || sizes[0].empty() || (needed == 2 && sizes[1].empty())) {
    return LeaveOut(fmt::format("{}: sizes do not say its rows", known.name));
  }
  if (known.form == Form::kSameShapes && (sizes[0] != sizes[1] || sizes[0].size() < 2)) {
    return LeaveOut(fmt::format("{}: not of two equal shapes", known.name));
  }
  return Json{{"op", known.op},
              {"tokens", is_gather ? RowsOf(sizes[1]) * sizes[1].back() : RowsOf(sizes[0])},
              {"hidden", sizes[0].back()}};
}

Result<Json> OperatorLine(std::string_view text, std::span<const std::string_view> kernels,
                          const TraceFacts& facts) {
  const KnownOperator& known = *FindOperator(text);
  const std::optional<Operator> read = ReadOperator(text);
  if (!read) {
    return LeaveOut(fmt::format("{}: no sizes in the range", known.name),
                    "trace under torch.autograd.profiler.emit_nvtx(record_shapes=True)");
  }
  switch (known.form) {
    case Form::kProduct:
    case Form::kBatched:
      return ProductLine(known, read->sizes);
    case Form::kLinear:
      return LinearLine(known, read->sizes);
    case Form::kHeadsFirst:
    case Form::kTokensFirst:
      return AttentionLine(known, read->sizes, kernels, facts);
    case Form::kRows:
    case Form::kGather:
    case Form::kSameShapes:
      return RowsLine(known, read->sizes);
  }
  return LeaveOut("an operator of unknown form");
}

constexpr std::array<std::pair<std::string_view, CollectiveKind>, 4> kNcclCalls = {{
    {"ncclAllReduce", CollectiveKind::kAllReduce},
    {"ncclAllGather", CollectiveKind::kAllGather},
    {"ncclReduceScatter", CollectiveKind::kReduceScatter},
    {"ncclBroadcast", CollectiveKind::kBroadcast},
}};

std::optional<CollectiveKind> NcclCall(std::string_view text) {
  const auto found = std::find_if(kNcclCalls.begin(), kNcclCalls.end(),
                                  [&](const auto& call) { return call.first == text; });
  return found == kNcclCalls.end() ? std::nullopt : std::optional(found->second);
}

/// A number of a payload, which exports write as a number or as text; 0 when it is neither.
double PayloadNumber(const Json& payload, const char* name) {
  const auto found = payload.find(name);
  if (found == payload.end()) {
    return 0;
  }
  if (found->is_number()) {
    return found->get<double>();
  }
  const Result<int64_t> number =
      found->is_string() ? ParseInteger(found->get<std::string>()) : Result<int64_t>(0);
  return static_cast<double>(number.value_or(0));
}

/// NVIDIA/nccl src/collectives.cc: the payload's bytes are those of the call's count, which for an
/// all-gather and a reduce-scatter counts one rank's part.
Result<Json> CollectiveLine(CollectiveKind kind, const NvtxRange& range,
                            std::span<const std::string_view> kernels, const TraceFacts& facts,
                            int64_t ranks) {
  const bool runs_it = std::any_of(kernels.begin(), kernels.end(), [&](std::string_view kernel) {
    return CollectiveIn(kernel) == kind;
  });
  if (!runs_it) {
    return LeaveOut("a call of NCCL's that runs no kernel of its own collective (one rank)");
  }
  const Json payload = Json::parse(range.payload, nullptr, false);
  const double bytes = payload.is_object() ? PayloadNumber(payload, "Message size [bytes]") : 0;
  if (!(bytes > 0)) {
    return LeaveOut("a call of NCCL's whose payload does not say its bytes",
                    "NCCL 2.16 and newer say them; export with a newer Nsight Systems");
  }
  ranks = ranks > 0 ? ranks : facts.ranks.value_or(0);
  if (ranks < 2) {
    return LeaveOut("a collective: the trace does not say its ranks", "--assume ranks=8");
  }
  const bool is_part = kind == CollectiveKind::kAllGather || kind == CollectiveKind::kReduceScatter;
  Json line{{"op", CollectiveName(kind)},
            {"ranks", ranks},
            {"bytes", bytes * static_cast<double>(is_part ? ranks : 1)}};
  if (facts.ranks_per_node) {
    line["ranks_per_node"] = *facts.ranks_per_node;
  }
  return line;
}

/// What the kernels' names tell, else the trace's owner.
Status SetTypeAndLayout(Json& line, std::span<const std::string_view> kernels,
                        const TraceFacts& facts) {
  std::optional<DType> dtype;
  std::string layout;
  for (const std::string_view kernel : kernels) {
    dtype = dtype ? dtype : OperandTypeIn(kernel);
    layout = layout.empty() ? LayoutIn(kernel) : layout;
  }
  dtype = dtype ? dtype : facts.dtype;
  if (!dtype) {
    return LeaveOut(fmt::format("{}: its kernels' names do not say its data type",
                                line["op"].get<std::string>()),
                    "--assume dtype=bf16");
  }
  line["dtype"] = DTypeName(*dtype);
  if (line["op"] == "gemm") {
    layout = layout.empty() ? facts.layout.value_or("") : layout;
    if (layout.empty()) {
      return LeaveOut("gemm: its kernels' names do not say its layout", "--assume layout=TN");
    }
    line["layout"] = layout;
  }
  return {};
}

void SetCondition(Json& line, const TraceFacts& facts) {
  const Condition trace = TraceCondition();
  // What a line of one's own says stays.
  const auto set = [&](const char* name, const std::optional<std::string>& told,
                       std::string_view otherwise) {
    if (!line.contains(name)) {
      line[name] = told.value_or(std::string(otherwise));
    }
  };
  set("clock", facts.clock, Name(trace.clock));
  set("launch", facts.launch, Name(trace.launch));
  set("cache", facts.cache, Name(trace.cache));
}

}  // namespace

Condition TraceCondition() {
  return {.clock = hardware::Clock::kProgram,
          .launch = hardware::Launch::kKernel,
          .cache = hardware::CacheState::kProgram};
}

Status AddTraceFact(std::string_view text, TraceFacts& facts) {
  const size_t equals = std::min(text.find('='), text.size());
  const std::string key(text.substr(0, equals));
  const std::string value(text.substr(std::min(equals + 1, text.size())));
  static const std::vector<std::string> keys = {"dtype", "causal", "ranks", "ranks_per_node",
                                                "clock", "launch", "cache", "layout"};
  if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
    return InvalidArgument(fmt::format("--assume does not know: {}", key), SuggestName(key, keys));
  }
  if (value.empty()) {
    return InvalidArgument(fmt::format("--assume {} needs a value", key),
                           "--assume dtype=bf16, causal=yes, ranks=8, launch=graph");
  }
  if (key == "dtype") {
    facts.dtype = ParseDType(value);
    if (!facts.dtype) {
      return InvalidArgument(fmt::format("--assume dtype is not a data type: {}", value));
    }
  } else if (key == "causal") {
    if (value != "yes" && value != "no") {
      return InvalidArgument(fmt::format("--assume causal needs yes or no: {}", value));
    }
    facts.causal = value == "yes";
  } else if (key.starts_with("ranks")) {
    const Result<int64_t> number = ParseInteger(value);
    if (!number || *number < 1 || *number > 1'000'000) {
      return InvalidArgument(fmt::format("--assume {} needs a whole number: {}", key, value));
    }
    (key == "ranks" ? facts.ranks : facts.ranks_per_node) = *number;
  } else {
    const Result<Condition> condition = ParseCondition(Json{{key, value}}.dump());
    if (!condition) {
      return InvalidArgument(fmt::format("--assume does not take: {}={}", key, value),
                             condition.error().message);
    }
    std::optional<std::string>& fact = key == "clock"    ? facts.clock
                                       : key == "launch" ? facts.launch
                                       : key == "cache"  ? facts.cache
                                                         : facts.layout;
    fact = value;
  }
  return {};
}

bool StandsForOperation(const NvtxRange& range) {
  return range.text.starts_with(R"({"op")") || FindOperator(range.text) != nullptr ||
         NcclCall(range.text).has_value();
}

Result<OperationLine> OperationOf(const NvtxRange& range, std::span<const std::string_view> kernels,
                                  const TraceFacts& facts, int64_t ranks) {
  Json line;
  if (range.text.starts_with('{')) {
    line = Json::parse(range.text, nullptr, false);
    if (!line.is_object()) {
      return LeaveOut("a range that begins as a line of `cost` and is no JSON");
    }
  } else {
    const std::optional<CollectiveKind> kind = NcclCall(range.text);
    ASSIGN_OR_RETURN(line, kind ? CollectiveLine(*kind, range, kernels, facts, ranks)
                                : OperatorLine(range.text, kernels, facts));
    RETURN_IF_ERROR(SetTypeAndLayout(line, kernels, facts));
  }
  SetCondition(line, facts);
  Result<OperationLine> parsed = ParseOperationLine(line.dump());
  if (!parsed) {
    return LeaveOut(parsed.error().message);
  }
  return parsed;
}

Communicator CommunicatorIn(std::string_view payload) {
  const Json object = Json::parse(payload, nullptr, false);
  Communicator result;
  if (object.is_object()) {
    const auto id = object.find("NCCL communicator ID");
    if (id != object.end()) {
      result.id = id->dump();
    }
    result.ranks = static_cast<int64_t>(PayloadNumber(object, "No. of ranks"));
  }
  return result;
}

}  // namespace ridgeline::calibration
