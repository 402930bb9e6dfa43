#include "sim/trace/kineto_replay.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <queue>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hardware/gpu.h"

namespace ridgeline::trace {
namespace {

using engine::Picoseconds;
using nlohmann::json;

constexpr double kPicosecondsAMicrosecond = 1e6;

using Dims = std::vector<std::vector<int64_t>>;

/// What an operator's event says of its inputs.
struct Launch {
  std::string name;
  Dims dims;
  DType dtype = DType::kBf16;
  bool is_causal = false;
};

const json* Find(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}
double Number(const json& object, const char* key, double otherwise) {
  const json* const value = Find(object, key);
  return value != nullptr && value->is_number() ? value->get<double>() : otherwise;
}
/// Whole numbers, that some versions write as text.
int64_t Integer(const json& object, const char* key, int64_t otherwise) {
  const json* const value = Find(object, key);
  if (value == nullptr || !value->is_number_integer()) {
    return otherwise;
  }
  return value->get<int64_t>();
}
std::string Text(const json& object, const char* key) {
  const json* const value = Find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

DType DtypeOf(const json& arguments) {
  const json* const types = Find(arguments, "Input type");
  if (types != nullptr && types->is_array()) {
    for (const json& type : *types) {
      const std::string text = type.is_string() ? type.get<std::string>() : std::string();
      if (text == "c10::BFloat16") {
        return DType::kBf16;
      }
      if (text == "c10::Half") {
        return DType::kFp16;
      }
      if (text == "float") {
        return DType::kFp32;
      }
      if (text.starts_with("c10::Float8_e4m3") || text.starts_with("c10::Float8_e5m2")) {
        return DType::kFp8;
      }
    }
  }
  return DType::kBf16;
}

Dims DimsOf(const json& arguments) {
  Dims dims;
  const json* const given = Find(arguments, "Input Dims");
  if (given == nullptr || !given->is_array()) {
    return dims;
  }
  for (const json& input : *given) {
    std::vector<int64_t> shape;
    if (input.is_array()) {
      for (const json& size : input) {
        shape.push_back(size.is_number_integer() ? size.get<int64_t>() : 0);
      }
    }
    dims.push_back(std::move(shape));
  }
  return dims;
}

bool ArePositive(const std::vector<int64_t>& shape) {
  return std::ranges::all_of(shape, [](int64_t size) { return size > 0; });
}

std::optional<Operation> ProductOf(const Launch& launch) {
  const size_t first =
      launch.name == "aten::addmm" || launch.name == "aten::baddbmm" ? 1 : 0;  // after the bias
  const bool is_batched = launch.name == "aten::bmm" || launch.name == "aten::baddbmm";
  const size_t rank = is_batched ? 3 : 2;
  if (launch.dims.size() < first + 2 || launch.dims[first].size() != rank ||
      launch.dims[first + 1].size() != rank || !ArePositive(launch.dims[first]) ||
      !ArePositive(launch.dims[first + 1])) {
    return std::nullopt;
  }
  const std::vector<int64_t>& a = launch.dims[first];
  const std::vector<int64_t>& b = launch.dims[first + 1];
  if (a[rank - 1] != b[rank - 2]) {
    return std::nullopt;
  }
  return Gemm{.m = a[rank - 2],
              .n = b[rank - 1],
              .k = a[rank - 1],
              .batch = is_batched ? a[0] : 1,
              .dtype = launch.dtype,
              .output_dtype = launch.dtype};
}

/// Queries, keys and values are [batch, heads, tokens, width], or, of _flash_attention_*, [batch,
/// tokens, heads, width]; a backward has the output's gradient before them.
std::optional<Operation> AttentionOf(const Launch& launch) {
  const bool is_backward = launch.name.find("backward") != std::string::npos;
  const size_t first = is_backward ? 1 : 0;
  if (launch.dims.size() < first + 3) {
    return std::nullopt;
  }
  const std::vector<int64_t>& q = launch.dims[first];
  const std::vector<int64_t>& k = launch.dims[first + 1];
  const std::vector<int64_t>& v = launch.dims[first + 2];
  for (const auto* const shape : {&q, &k, &v}) {
    if (shape->size() != 4 || !ArePositive(*shape)) {
      return std::nullopt;
    }
  }
  const bool tokens_first = launch.name.starts_with("aten::_flash_attention");
  const size_t tokens = tokens_first ? 1 : 2;
  const size_t heads = tokens_first ? 2 : 1;
  return Attention{.phase = q[tokens] == 1 ? AttentionPhase::kDecode : AttentionPhase::kPrefill,
                   .pass = is_backward ? AttentionPass::kBackward : AttentionPass::kForward,
                   .dtype = launch.dtype,
                   .causal = launch.is_causal,
                   .batch = q[0],
                   .q_len = q[tokens],
                   .kv_len = k[tokens],
                   .heads = q[heads],
                   .kv_heads = k[heads],
                   .head_dim = q[3],
                   .v_head_dim = v[3]};
}

bool IsProduct(const std::string& name) {
  return name == "aten::mm" || name == "aten::addmm" || name == "aten::bmm" ||
         name == "aten::baddbmm";
}
bool IsAttention(const std::string& name) {
  return name.starts_with("aten::_flash_attention_") ||
         name.starts_with("aten::_scaled_dot_product_flash") ||
         name.starts_with("aten::_scaled_dot_product_cudnn") ||
         name.starts_with("aten::_scaled_dot_product_efficient") ||
         name.starts_with("aten::_cudnn_attention_");
}
bool HasAny(const std::string& name, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(
      words, [&](std::string_view word) { return name.find(word) != std::string::npos; });
}
/// The kernel that multiplies: a product's launch also has kernels that add up parts, or fill.
bool Multiplies(const std::string& kernel) {
  return HasAny(kernel, {"gemm", "nvjet", "cutlass", "xmma", "gemv"}) &&
         !HasAny(kernel, {"splitKreduce"});
}

void Recognise(ProfiledKernel& kernel, const std::string& category, const Launch* launch) {
  if (category == "gpu_memcpy") {
    kernel.kind =
        HasAny(kernel.name, {"HtoD", "DtoH"}) ? KernelKind::kHostCopy : KernelKind::kMemoryBound;
    return;
  }
  if (HasAny(kernel.name, {"nccl"})) {
    kernel.kind = KernelKind::kCollective;
    return;
  }
  if (Multiplies(kernel.name)) {
    kernel.kind = KernelKind::kUnnamedGemm;
    if (launch != nullptr && IsProduct(launch->name)) {
      kernel.operation = ProductOf(*launch);
      kernel.kind = kernel.operation ? KernelKind::kGemm : KernelKind::kUnnamedGemm;
    }
  }
  if (launch != nullptr && IsAttention(launch->name) &&
      HasAny(kernel.name, {"flash", "fmha", "attention", "sdpa"})) {
    kernel.kind = KernelKind::kAttention;
    kernel.operation = AttentionOf(*launch);
  }
}

/// Ratio of what `operation` takes on `to` and on `from`; of no effect where either cannot say.
std::optional<double> RatioOf(const Operation& operation, const compute::OperationTime& from,
                              const compute::OperationTime& to) {
  const Result<Cost> before = from.BurstCostOf(operation);
  const Result<Cost> after = to.BurstCostOf(operation);
  if (!before || !after || !(before->mean > Seconds{})) {
    return std::nullopt;
  }
  return after->mean / before->mean;
}

double PeakRatio(const hardware::Gpu& from, const hardware::Gpu& to) {
  const auto before = hardware::PeakOf(from, DType::kBf16);
  const auto after = hardware::PeakOf(to, DType::kBf16);
  return before && after ? *before / *after : 1.0;
}

double RatioOf(const ProfiledKernel& kernel, const compute::OperationTime& from,
               const compute::OperationTime& to, bool& is_recognised) {
  is_recognised = false;
  if (kernel.operation) {
    if (const std::optional<double> ratio = RatioOf(*kernel.operation, from, to)) {
      is_recognised = true;
      return *ratio;
    }
  }
  switch (kernel.kind) {
    case KernelKind::kGemm:
    case KernelKind::kAttention:
    case KernelKind::kUnnamedGemm:
      return PeakRatio(from.gpu(), to.gpu());
    case KernelKind::kCollective:
      return 1.0;
    case KernelKind::kHostCopy:
      return from.gpu().host_link / to.gpu().host_link;
    case KernelKind::kMemoryBound:
      return from.gpu().memory.bandwidth / to.gpu().memory.bandwidth;
  }
  return 1.0;
}

}  // namespace

std::string_view KernelKindTitle(KernelKind kind) {
  constexpr std::array<std::string_view, kNumKernelKinds> kTitles = {
      "matrix products",
      "attention",
      "matrix products without shapes",
      "collectives",
      "copies with the host",
      "memory-bound kernels"};
  return kTitles[static_cast<size_t>(kind)];
}

Result<std::vector<ProfiledKernel>> ReadKineto(std::string_view text, std::string_view name) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json* const events = document.is_object() ? Find(document, "traceEvents") : nullptr;
  if (events == nullptr || !events->is_array()) {
    return InvalidArgument(fmt::format("{}: no profiler trace: no list traceEvents", name),
                           "write one with torch.profiler's export_chrome_trace");
  }
  std::map<int64_t, Launch> launches;  // by external id
  for (const json& event : *events) {
    const json* const arguments = event.is_object() ? Find(event, "args") : nullptr;
    if (arguments == nullptr || !arguments->is_object() || Text(event, "cat") != "cpu_op") {
      continue;
    }
    const int64_t id = Integer(*arguments, "External id", -1);
    if (id < 0) {
      continue;
    }
    Launch launch{
        .name = Text(event, "name"), .dims = DimsOf(*arguments), .dtype = DtypeOf(*arguments)};
    if (const json* const values = Find(*arguments, "Concrete Inputs");
        values != nullptr && values->is_array()) {
      launch.is_causal = std::ranges::any_of(*values, [](const json& value) {
        return value.is_string() && value.get<std::string>() == "True";
      });
    }
    launches.insert_or_assign(id, std::move(launch));
  }
  std::vector<ProfiledKernel> kernels;
  double first = 0.0;
  std::vector<std::pair<double, double>> spans;  // microseconds, of `kernels`
  for (const json& event : *events) {
    if (!event.is_object() || Text(event, "ph") != "X") {
      continue;
    }
    const std::string category = Text(event, "cat");
    if (category != "kernel" && category != "gpu_memcpy" && category != "gpu_memset") {
      continue;
    }
    const json* const arguments = Find(event, "args");
    const json none = json::object();
    const json& given = arguments != nullptr && arguments->is_object() ? *arguments : none;
    ProfiledKernel kernel{.name = Text(event, "name"),
                          .device = Integer(given, "device", 0),
                          .stream = Integer(given, "stream", 0)};
    const double begin = Number(event, "ts", 0.0);
    const double duration = Number(event, "dur", 0.0);
    if (!std::isfinite(begin) || !(duration >= 0.0) || !(duration < 1e12)) {
      continue;
    }
    const auto launch = launches.find(Integer(given, "External id", -1));
    Recognise(kernel, category, launch == launches.end() ? nullptr : &launch->second);
    first = spans.empty() ? begin : std::min(first, begin);
    spans.emplace_back(begin, duration);
    kernels.push_back(std::move(kernel));
  }
  if (kernels.empty()) {
    return InvalidArgument(fmt::format("{}: a trace without kernels", name),
                           "profile with ProfilerActivity.CUDA");
  }
  for (size_t i = 0; i < kernels.size(); ++i) {
    if (spans[i].first - first >= 1e12) {
      return InvalidArgument(fmt::format("{}: kernels more than 11 days apart", name));
    }
    kernels[i].begin = std::llround((spans[i].first - first) * kPicosecondsAMicrosecond);
    kernels[i].duration = std::llround(spans[i].second * kPicosecondsAMicrosecond);
  }
  std::ranges::stable_sort(kernels, {}, &ProfiledKernel::begin);
  return kernels;
}

KernelReplay ReplayKernels(const std::vector<ProfiledKernel>& kernels,
                           const compute::OperationTime& from, const compute::OperationTime& to) {
  KernelReplay replay;
  /// A kernel that ran: when it ended, and when it does now.
  using End = std::pair<Picoseconds, Picoseconds>;
  std::priority_queue<End, std::vector<End>, std::greater<>> running;
  std::map<std::pair<int64_t, int64_t>, Picoseconds> free;  // by device and stream
  End last = {0, 0};                                        // of those that ended so far
  double recognised = 0.0;
  double all = 0.0;
  for (const ProfiledKernel& kernel : kernels) {
    while (!running.empty() && running.top().first <= kernel.begin) {
      last = running.top().first == last.first ? std::max(last, running.top()) : running.top();
      running.pop();
    }
    bool is_recognised = false;
    const double ratio = RatioOf(kernel, from, to, is_recognised);
    const Picoseconds duration = std::llround(static_cast<double>(kernel.duration) * ratio);
    Picoseconds& stream = free[{kernel.device, kernel.stream}];
    const Picoseconds begin = std::max(stream, last.second + (kernel.begin - last.first));
    stream = begin + duration;
    running.emplace(kernel.begin + kernel.duration, begin + duration);
    replay.recorded = std::max(replay.recorded, kernel.begin + kernel.duration);
    replay.replayed = std::max(replay.replayed, begin + duration);
    KernelReplay::OfKind& kind = replay.kinds[static_cast<size_t>(kernel.kind)];
    ++kind.kernels;
    kind.recorded += kernel.duration;
    kind.replayed += duration;
    all += static_cast<double>(kernel.duration);
    recognised += is_recognised ? static_cast<double>(kernel.duration) : 0.0;
  }
  replay.recognised = all > 0.0 ? recognised / all : 0.0;
  return replay;
}

}  // namespace ridgeline::trace
