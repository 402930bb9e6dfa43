#include "calibration/kernel_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

namespace ridgeline::calibration {
namespace {

bool IsLetterOrDigit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// Inner type first: names of fp8 kernels hold their output's type too, and nearly all hold the
/// accumulator's, "float".
constexpr std::array<std::pair<std::string_view, DType>, 19> kTypeWords = {{
    {"e4m3", DType::kFp8},      {"e5m2", DType::kFp8},      {"nvjet_qq", DType::kFp8},
    {"imma", DType::kInt8},     {"i8816", DType::kInt8},    {"bf16", DType::kBf16},
    {"BFloat16", DType::kBf16}, {"bfloat16", DType::kBf16}, {"nvjet_ts", DType::kBf16},
    {"tf32", DType::kTf32},     {"fp16", DType::kFp16},     {"half", DType::kFp16},
    {"Half", DType::kFp16},     {"nvjet_hs", DType::kFp16}, {"hgemm", DType::kFp16},
    {"_f16", DType::kFp16},     {"sgemm", DType::kFp32},    {"f32f32", DType::kFp32},
    {"float", DType::kFp32},
}};

/// The arguments of a template, at its own depth; `text` begins behind the opening bracket.
std::vector<std::string_view> TemplateArguments(std::string_view text) {
  std::vector<std::string_view> arguments;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == ',' && depth == 0) || (c == '>' && depth == 0)) {
      arguments.push_back(text.substr(begin, i - begin));
      begin = i + 1;
      if (c == '>') {
        break;
      }
    }
    depth += c == '<' || c == '(' ? 1 : c == '>' || c == ')' ? -1 : 0;
  }
  return arguments;
}

std::optional<bool> TruthOf(std::string_view argument) {
  if (argument.ends_with("true") || argument.ends_with("(bool)1")) {
    return true;
  }
  if (argument.ends_with("false") || argument.ends_with("(bool)0")) {
    return false;
  }
  return std::nullopt;
}

}  // namespace

std::optional<DType> OperandTypeIn(std::string_view kernel) {
  for (const auto& [word, dtype] : kTypeWords) {
    if (kernel.find(word) != std::string_view::npos) {
      return dtype;
    }
  }
  return std::nullopt;
}

std::string LayoutIn(std::string_view kernel) {
  constexpr std::string_view kNvjet = "nvjet_";
  if (kernel.starts_with(kNvjet)) {
    // The last word of three letters: of A, of B, of the result.
    const std::string_view last = kernel.substr(kernel.rfind('_') + 1);
    const bool is_layout =
        last.size() == 3 && last.find_first_not_of("TN") == std::string_view::npos;
    return is_layout ? std::string(last.substr(0, 2)) : "";
  }
  for (const auto& [word, layout] :
       {std::pair<std::string_view, const char*>("_tn", "TN"), {"_nn", "NN"}, {"_nt", "NT"}}) {
    for (size_t at = kernel.find(word); at != std::string_view::npos;
         at = kernel.find(word, at + 1)) {
      if (at + 3 == kernel.size() || !IsLetterOrDigit(kernel[at + 3])) {
        return layout;
      }
    }
  }
  return "";
}

std::optional<bool> CausalIn(std::string_view kernel) {
  // Dao-AILab/flash-attention csrc/flash_attn/src/flash_{fwd,bwd}_launch_template.h: behind the
  // traits stands Is_dropout, then Is_causal; the split kernel has no dropout.
  for (const auto& [name, index] : {std::pair<std::string_view, size_t>("flash_fwd_kernel<", 2),
                                    {"flash_fwd_splitkv_kernel<", 1},
                                    {"flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<", 2}}) {
    const size_t at = kernel.find(name);
    if (at != std::string_view::npos) {
      const std::vector<std::string_view> arguments =
          TemplateArguments(kernel.substr(at + name.size()));
      return index < arguments.size() ? TruthOf(arguments[index]) : std::nullopt;
    }
  }
  return std::nullopt;
}

bool IsNcclKernel(std::string_view kernel) {
  return kernel.starts_with("ncclDevKernel") || kernel.starts_with("ncclKernel");
}

std::optional<CollectiveKind> CollectiveIn(std::string_view kernel) {
  for (const auto& [word, kind] :
       {std::pair<std::string_view, CollectiveKind>("AllReduce", CollectiveKind::kAllReduce),
        {"AllGather", CollectiveKind::kAllGather},
        {"ReduceScatter", CollectiveKind::kReduceScatter},
        {"Broadcast", CollectiveKind::kBroadcast}}) {
    if (IsNcclKernel(kernel) && kernel.find(word) != std::string_view::npos) {
      return kind;
    }
  }
  return std::nullopt;
}

}  // namespace ridgeline::calibration
