#include "sim/compute/operation_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "sim/compute/line_fields.h"

namespace ridgeline::compute {
namespace {

using Names = std::span<const std::string_view>;

double D(int64_t n) { return static_cast<double>(n); }

bool IsNarrow(DType dtype) { return BytesPerElement(dtype) < BytesPerElement(DType::kBf16); }

template <class E, size_t kCount>
std::array<std::string_view, kCount> NamesOf(std::string_view (*name)(E)) {
  std::array<std::string_view, kCount> names;
  for (size_t i = 0; i < kCount; ++i) {
    names[i] = name(static_cast<E>(i));
  }
  return names;
}

Names AlgorithmNames() {
  static const auto kNames = NamesOf<CollectiveAlgorithm, 12>(AlgorithmName);
  return kNames;
}

Names ProtocolNames() {
  static const auto kNames = NamesOf<CollectiveProtocol, 4>(ProtocolName);
  return kNames;
}

/// Matrix units add in fp32; the result of narrow formats is kept in bf16.
DType OutputOf(DType dtype) { return IsNarrow(dtype) ? DType::kBf16 : dtype; }

class LineReader {
 public:
  LineReader(std::span<const JsonField> json, const LinePlace& place) : fields_(json, place) {}

  using Read = void (LineReader::*)();
  struct Entry {
    std::string_view op;
    Read read;
    bool has_matrices = false;
    CollectiveKind collective = CollectiveKind::kAllReduce;
    MemoryBoundKind memory = MemoryBoundKind::kCopy;
  };

  void Gemm();
  void GroupedGemm();
  void Attention();
  void Norm();
  void Rotary();
  void Activation();
  void ElementWise();
  void CrossEntropy();
  void Adam();
  void Copy();
  void Cast();
  void Moved();
  void Mixture();
  void Collect();

  Result<OperationLine> Take();

 private:
  static const std::array<Entry, 29>& Entries();

  void Add(std::variant<Operation, Collective> part) { line_.parts.push_back(std::move(part)); }
  void AddMemory(MemoryBoundKind kind, double bytes_read, double bytes_written) {
    Add(Operation{MemoryBound{.kind = kind,
                              .read = Bytes::FromBase(bytes_read),
                              .written = Bytes::FromBase(bytes_written),
                              .dtype = dtype_,
                              .rows = rows_}});
  }
  int64_t Tokens() { return rows_ = fields_.Count("tokens"); }
  double ElementBytes() const { return BytesPerElement(dtype_).base(); }
  void ReadCondition();

  LineFields fields_;
  OperationLine line_;
  const Entry* entry_ = nullptr;
  DType dtype_ = DType::kBf16;
  int64_t rows_ = 0;  // of memory-bound parts: the line's tokens, once read
};

const std::array<LineReader::Entry, 29>& LineReader::Entries() {
  using enum MemoryBoundKind;
  using enum CollectiveKind;
  static constexpr std::array<Entry, 29> kEntries = {{
      {.op = "gemm", .read = &LineReader::Gemm, .has_matrices = true},
      {.op = "grouped_gemm", .read = &LineReader::GroupedGemm, .has_matrices = true},
      {.op = "attention", .read = &LineReader::Attention},
      {.op = "all_reduce", .read = &LineReader::Collect, .collective = kAllReduce},
      {.op = "all_gather", .read = &LineReader::Collect, .collective = kAllGather},
      {.op = "reduce_scatter", .read = &LineReader::Collect, .collective = kReduceScatter},
      {.op = "all_to_all", .read = &LineReader::Collect, .collective = kAllToAll},
      {.op = "broadcast", .read = &LineReader::Collect, .collective = kBroadcast},
      {.op = "send", .read = &LineReader::Collect, .collective = kSend},
      {.op = "rmsnorm", .read = &LineReader::Norm, .memory = kRmsNorm},
      {.op = "layernorm", .read = &LineReader::Norm, .memory = kLayerNorm},
      {.op = "rotary", .read = &LineReader::Rotary},
      {.op = "swiglu", .read = &LineReader::Activation, .memory = kSwiGlu},
      {.op = "gelu", .read = &LineReader::Activation, .memory = kGelu},
      {.op = "residual_add", .read = &LineReader::ElementWise, .memory = kResidualAdd},
      {.op = "residual", .read = &LineReader::ElementWise, .memory = kResidualAdd},
      {.op = "softmax", .read = &LineReader::ElementWise, .memory = kSoftmax},
      {.op = "embedding", .read = &LineReader::ElementWise, .memory = kEmbedding},
      {.op = "cross_entropy", .read = &LineReader::CrossEntropy},
      {.op = "adam", .read = &LineReader::Adam},
      {.op = "optimizer", .read = &LineReader::Adam},
      {.op = "copy", .read = &LineReader::Copy},
      {.op = "cast", .read = &LineReader::Cast},
      {.op = "gradient_norm", .read = &LineReader::Moved, .memory = kGradientNorm},
      {.op = "dropout", .read = &LineReader::Moved, .memory = kDropout},
      {.op = "permute", .read = &LineReader::Moved, .memory = kPermute},
      {.op = "routing", .read = &LineReader::Moved, .memory = kRouting},
      {.op = "scan", .read = &LineReader::Moved, .memory = kScan},
      {.op = "moe", .read = &LineReader::Mixture, .has_matrices = true},
  }};
  return kEntries;
}

void LineReader::Gemm() {
  ridgeline::Gemm gemm{.m = fields_.Count("m"), .n = fields_.Count("n"), .k = fields_.Count("k")};
  gemm.batch = fields_.CountOr("batch", 1);
  gemm.dtype = dtype_;
  gemm.output_dtype = fields_.DTypeOr("output_dtype", OutputOf(dtype_));
  gemm.accumulates = fields_.FlagOr("accumulates", false);
  Add(Operation{gemm});
}

void LineReader::GroupedGemm() {
  ridgeline::GroupedGemm gemm{.groups = fields_.Count("groups"),
                              .m = fields_.Count("m"),
                              .n = fields_.Count("n"),
                              .k = fields_.Count("k")};
  gemm.dtype = dtype_;
  gemm.output_dtype = fields_.DTypeOr("output_dtype", OutputOf(dtype_));
  gemm.weight_gradient = fields_.FlagOr("weight_gradient", false);
  gemm.accumulates = fields_.FlagOr("accumulates", false);
  Add(Operation{gemm});
}

void LineReader::Attention() {
  static constexpr std::array<std::string_view, 2> kPhases = {"prefill", "decode"};
  static constexpr std::array<std::string_view, 2> kPasses = {"forward", "backward"};
  static constexpr std::array<std::string_view, 4> kKernels = {"flash", "naive", "flash-2",
                                                               "cudnn"};
  ridgeline::Attention attention;
  const bool is_decode = fields_.Choice("phase", kPhases) == 1;
  const bool is_backward = fields_.OptionalChoice("pass", kPasses).value_or(0) == 1;
  attention.phase = is_decode ? AttentionPhase::kDecode : AttentionPhase::kPrefill;
  attention.pass = is_backward ? AttentionPass::kBackward : AttentionPass::kForward;
  // In the order of AttentionKernel.
  attention.kernel =
      static_cast<AttentionKernel>(fields_.OptionalChoice("kernel", kKernels).value_or(0));
  attention.dtype = dtype_;
  attention.causal = fields_.FlagOr("causal", true);
  attention.batch = fields_.CountOr("batch", 1);
  attention.q_len = is_decode ? fields_.CountOr("q_len", 1) : fields_.Count("q_len");
  attention.kv_len =
      is_decode ? fields_.Count("kv_len") : fields_.CountOr("kv_len", attention.q_len);
  attention.heads = fields_.Count("heads");
  attention.kv_heads = fields_.CountOr("kv_heads", attention.heads);
  attention.head_dim = fields_.Count("head_dim");
  attention.v_head_dim = fields_.CountOr("v_head_dim", 0);
  attention.window = fields_.CountOr("window", 0);
  if (attention.heads % attention.kv_heads != 0) {
    fields_.Refuse("kv_heads", fmt::format("kv_heads must divide heads: {} KV heads, {} heads",
                                           attention.kv_heads, attention.heads));
  }
  if (attention.causal && attention.q_len > attention.kv_len) {
    fields_.Refuse("kv_len",
                   fmt::format("causal queries are the last q_len of kv_len tokens: q_len {}, "
                               "kv_len {}",
                               attention.q_len, attention.kv_len),
                   "give the whole context as kv_len");
  }
  if (is_decode && is_backward) {
    fields_.Refuse("pass", "decoding has no backward pass", "use \"phase\": \"prefill\"");
  }
  Add(Operation{attention});
}

void LineReader::Norm() {
  const double size = D(Tokens()) * D(fields_.Count("hidden")) * ElementBytes();
  // Fused with the residual: stream and branch in, their sum and its norm out.
  const double streams = fields_.FlagOr("residual", false) ? 2 : 1;
  AddMemory(entry_->memory, streams * size, streams * size);
}

void LineReader::Rotary() {
  const double tokens = D(Tokens());
  const double heads = D(fields_.Count("heads")) + D(fields_.CountOr("kv_heads", 0));
  const double size = tokens * heads * D(fields_.Count("head_dim")) * ElementBytes();
  AddMemory(MemoryBoundKind::kRotary, size, size);
}

void LineReader::Activation() {
  const double tokens = D(Tokens());
  const double width = D(fields_.Count(fields_.Has("hidden") ? "hidden" : "ffn"));
  const double size = tokens * width * ElementBytes();
  AddMemory(entry_->memory, entry_->memory == MemoryBoundKind::kSwiGlu ? 2 * size : size, size);
}

void LineReader::ElementWise() {
  const double size = D(Tokens()) * D(fields_.Count("hidden")) * ElementBytes();
  AddMemory(entry_->memory, entry_->memory == MemoryBoundKind::kResidualAdd ? 2 * size : size,
            size);
}

void LineReader::CrossEntropy() {
  const double logits = D(Tokens()) * D(fields_.Count("vocabulary"));
  AddMemory(MemoryBoundKind::kCrossEntropy, logits * ElementBytes(),
            logits * BytesPerElement(DType::kFp32).base());
}

void LineReader::Adam() {
  const double parameters = D(fields_.Count("parameters"));
  const double gradient = BytesPerElement(fields_.DTypeOr("gradient_dtype", DType::kFp32)).base();
  const double single = BytesPerElement(DType::kFp32).base();
  // Master copy and both moments are read and written; the weights that the model computes with
  // are written when they are not the master copy itself.
  const double weights = dtype_ == DType::kFp32 || dtype_ == DType::kTf32 ? 0 : ElementBytes();
  AddMemory(MemoryBoundKind::kOptimizer, parameters * (gradient + 3 * single),
            parameters * (3 * single + weights));
}

void LineReader::Copy() {
  const double bytes = D(fields_.Count("bytes", kMostBytes));
  AddMemory(MemoryBoundKind::kCopy, bytes / 2, bytes / 2);
}

void LineReader::Cast() {
  const double elements = D(fields_.Has("elements") ? fields_.Count("elements", kMostBytes)
                                                    : Tokens() * fields_.Count("hidden"));
  const DType output = fields_.DTypeOr("output_dtype", dtype_);
  AddMemory(MemoryBoundKind::kCast, elements * ElementBytes(),
            elements * BytesPerElement(output).base());
}

/// What a kernel moves depends on more than a line says (a mask's width, how many copies): bytes.
void LineReader::Moved() {
  rows_ = fields_.CountOr("tokens", 0);
  const double bytes_read = D(fields_.Count("read_bytes", kMostBytes));
  AddMemory(entry_->memory, bytes_read, D(fields_.CountOr("written_bytes", 0, kMostBytes)));
}

void LineReader::Mixture() {
  const int64_t tokens = fields_.Count("tokens");
  const int64_t hidden = fields_.Count("hidden");
  const int64_t ffn = fields_.Count("ffn");
  const int64_t experts = fields_.Count("experts");
  const int64_t top_k = fields_.Count("top_k");
  const int64_t ep = fields_.CountOr("ep", 1);
  const bool is_gated = fields_.FlagOr("gated", true);
  if (top_k > experts) {
    fields_.Refuse("top_k", fmt::format("top_k must not exceed experts: top_k {}, {} experts",
                                        top_k, experts));
    return;
  }
  if (experts % ep != 0) {
    fields_.Refuse("ep", fmt::format("ep must divide experts: {} of {}", ep, experts));
    return;
  }
  if (D(tokens) * D(top_k) > D(kMostCount)) {
    fields_.Refuse("tokens", fmt::format("tokens times top_k must be at most {}", kMostCount));
    return;
  }
  const int64_t rows = std::max<int64_t>(1, tokens * top_k / ep);
  rows_ = rows;
  if (is_gated) {
    line_.layer = MixtureLayer{.tokens = tokens,
                               .hidden = hidden,
                               .ffn = ffn,
                               .experts = experts,
                               .top_k = top_k,
                               .ep = ep,
                               .skew = fields_.NumberOr("skew", 0),
                               .dtype = dtype_};
  }
  // Experts that some token chose, when each token chooses top_k at random: the weights of the
  // others are not read. One token reads exactly top_k.
  const double missed = std::pow(1 - D(top_k) / D(experts), D(tokens));
  const int64_t here = experts / ep;
  const int64_t most = std::min(here, rows);
  const int64_t chosen =
      std::clamp<int64_t>(std::llround(D(here) * (1 - missed)), std::min(top_k, most), most);
  const DType output = OutputOf(dtype_);
  const double kept = BytesPerElement(output).base();
  const double logits = D(tokens) * D(experts);
  const auto grouped = [&](int64_t n, int64_t k) {
    Add(Operation{ridgeline::GroupedGemm{
        .groups = chosen, .m = rows, .n = n, .k = k, .dtype = dtype_, .output_dtype = output}});
  };
  // Routers stay in 16 bit in quantised models.
  Add(Operation{ridgeline::Gemm{
      .m = tokens, .n = experts, .k = hidden, .dtype = output, .output_dtype = output}});
  // Logits in; probabilities in fp32 and the choice (fp32 weight, int32 index a copy) out.
  AddMemory(MemoryBoundKind::kRouting, logits * kept, logits * 4.0 + D(rows) * 8.0);
  AddMemory(MemoryBoundKind::kPermute, D(rows) * D(hidden) * kept,
            D(rows) * D(hidden) * ElementBytes());
  grouped(is_gated ? 2 * ffn : ffn, hidden);
  AddMemory(is_gated ? MemoryBoundKind::kSwiGlu : MemoryBoundKind::kGelu,
            (is_gated ? 2 : 1) * D(rows) * D(ffn) * kept, D(rows) * D(ffn) * ElementBytes());
  grouped(hidden, ffn);
  AddMemory(MemoryBoundKind::kPermute, D(rows) * D(hidden) * kept, D(tokens) * D(hidden) * kept);
}

void LineReader::Collect() {
  const bool is_send = entry_->collective == CollectiveKind::kSend;
  Collective collective;
  collective.kind = entry_->collective;
  collective.dtype = dtype_;
  collective.bytes = Bytes::FromBase(D(fields_.Count("bytes", kMostBytes)));
  collective.group.ranks = is_send ? fields_.CountOr("ranks", 2) : fields_.Count("ranks");
  collective.group.ranks_per_node = fields_.CountOr("ranks_per_node", 0);
  // In the order of the enumerations, `chosen` first.
  if (const auto algorithm = fields_.OptionalChoice("algorithm", AlgorithmNames())) {
    collective.algorithm = static_cast<CollectiveAlgorithm>(*algorithm);
  }
  if (const auto protocol = fields_.OptionalChoice("protocol", ProtocolNames())) {
    collective.protocol = static_cast<CollectiveProtocol>(*protocol);
  }
  if (is_send && collective.group.ranks != 2) {
    fields_.Refuse("ranks", fmt::format("a send joins 2 ranks: {}", collective.group.ranks));
  }
  if (collective.group.ranks_per_node > collective.group.ranks) {
    fields_.Refuse("ranks_per_node",
                   fmt::format("ranks_per_node must not exceed ranks: {} a node, {} ranks",
                               collective.group.ranks_per_node, collective.group.ranks));
  }
  Add(collective);
}

void LineReader::ReadCondition() {
  const auto as = [](auto first, std::optional<size_t> choice) {
    using E = decltype(first);
    return choice ? std::optional<E>(static_cast<E>(*choice)) : std::nullopt;
  };
  line_.condition.clock =
      as(hardware::Clock(), fields_.OptionalChoice("clock", hardware::kClockNames));
  line_.condition.launch =
      as(hardware::Launch(), fields_.OptionalChoice("launch", hardware::kLaunchNames));
  line_.condition.cache =
      as(hardware::CacheState(), fields_.OptionalChoice("cache", hardware::kCacheStateNames));
  if (entry_->has_matrices) {
    line_.condition.layout =
        as(hardware::Layout(), fields_.OptionalChoice("layout", hardware::kLayoutNames));
  }
}

Result<OperationLine> LineReader::Take() {
  std::array<std::string_view, 29> ops;
  std::ranges::transform(Entries(), ops.begin(), &Entry::op);
  const size_t op = fields_.Choice("op", ops);
  RETURN_IF_ERROR(fields_.Check());  // what else the line may say depends on the operation
  entry_ = &Entries()[op];
  line_.op = entry_->op;
  dtype_ = fields_.DTypeOr("dtype", DType::kBf16);
  (this->*entry_->read)();
  ReadCondition();
  RETURN_IF_ERROR(fields_.Finish());
  return std::move(line_);
}

}  // namespace

Result<OperationLine> ReadOperationLine(std::string_view line, const LinePlace& place) {
  std::vector<JsonField> json;
  json.reserve(16);
  RETURN_IF_ERROR(ReadJsonLine(line, place, json));
  return LineReader(json, place).Take();
}

}  // namespace ridgeline::compute
