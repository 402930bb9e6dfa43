#include "workloads/kernel_recipe.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace ridgeline::workloads {
namespace {

constexpr std::string_view kLetterHint =
    "letters: x computing type, f fp32, h half of an x, m a byte, g gradient's type, r fp32 a row, "
    "i int64 a row, t x of each token";
constexpr std::string_view kKernelHint = "write reads>writes, such as xx>x or f>x*1.5; ";

/// Beyond this ratio of bytes one way a kernel is an addition or a cast rather than a copy.
constexpr double kLopsided = 1.4;
constexpr double kMostFactor = 100;
constexpr double kMostLeast = 1000;  // of the unit

Result<double> ParseNumber(std::string_view text, double most) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0 && value <= most)) {
    return InvalidArgument("not a number in its range");
  }
  return value;
}

Status ParseFactor(std::string_view text, double& factor) {
  const Result<double> value = ParseNumber(text, kMostFactor);
  if (!value) {
    return InvalidArgument(
        fmt::format("no factor of a kernel's time: {}", text),
        fmt::format("{}a factor is above 0 and at most {}", kKernelHint, kMostFactor));
  }
  factor = *value;
  return {};
}

/// "6us" or "1.9us+1ns".
Status ParseLeast(std::string_view text, RecipeKernel& kernel) {
  const auto read = [](std::string_view part, std::string_view unit) {
    return part.ends_with(unit) ? ParseNumber(part.substr(0, part.size() - unit.size()), kMostLeast)
                                : InvalidArgument("no unit");
  };
  const size_t plus = text.find('+');
  const Result<double> fixed = read(text.substr(0, plus), "us");
  const Result<double> each =
      plus == std::string_view::npos ? Result<double>(0.0) : read(text.substr(plus + 1), "ns");
  if (!fixed || !each) {
    return InvalidArgument(fmt::format("no least time of a kernel: {}", text),
                           fmt::format("{}a least time is written @2.5us, or @1.9us+1ns where it "
                                       "grows with the elements of a row; at most {}",
                                       kKernelHint, kMostLeast));
  }
  kernel.least = Microseconds(*fixed);
  kernel.least_per_column = Microseconds(*each / 1000);
  return {};
}

std::string Text(Seconds least, Seconds per_column) {
  if (least == Seconds{}) {
    return {};
  }
  return fmt::format(
      "@{}us{}", least.base() * 1e6,
      per_column == Seconds{} ? std::string() : fmt::format("+{}ns", per_column.base() * 1e9));
}

}  // namespace

Result<RecipeTensors> RecipeTensors::Parse(std::string_view text) {
  RecipeTensors tensors;
  for (const char letter : text) {
    const size_t index = kLetters.find(letter);
    if (index == std::string_view::npos) {
      return InvalidArgument(fmt::format("no tensor of a recipe: {}", letter),
                             std::string(kLetterHint));
    }
    ++tensors.count[index];
  }
  return tensors;
}

std::string RecipeTensors::Text() const {
  std::string text;
  for (size_t i = 0; i < count.size(); ++i) {
    text.append(static_cast<size_t>(count[i]), kLetters[i]);
  }
  return text;
}

Bytes RecipeTensors::BytesOf(const RecipeExtent& extent) const {
  const double element = BytesPerElement(extent.compute).base();
  const double tokens = extent.token_elements > 0 ? extent.token_elements : extent.elements;
  // In the order of kLetters.
  const std::array<double, kLetters.size()> bytes = {
      extent.elements * element,
      extent.elements * 4,
      extent.elements * element / 2,
      extent.elements,
      extent.elements * BytesPerElement(extent.gradient).base(),
      extent.rows * 4,
      extent.rows * 8,
      tokens * element};
  double sum = 0;
  for (size_t i = 0; i < count.size(); ++i) {
    sum += count[i] * bytes[i];
  }
  return Bytes::FromBase(sum);
}

Result<RecipeKernel> RecipeKernel::Parse(std::string_view text) {
  const size_t arrow = text.find('>');
  if (arrow == std::string_view::npos) {
    return InvalidArgument(fmt::format("a kernel reads and writes: {}", text),
                           fmt::format("{}{}", kKernelHint, kLetterHint));
  }
  RecipeKernel kernel;
  std::string_view written = text.substr(arrow + 1);
  if (const size_t at = written.find('@'); at != std::string_view::npos) {
    RETURN_IF_ERROR(ParseLeast(written.substr(at + 1), kernel));
    written = written.substr(0, at);
  }
  for (const auto& [mark, factor] :
       {std::pair('~', &kernel.issue), std::pair('*', &kernel.factor)}) {
    if (const size_t at = written.find(mark); at != std::string_view::npos) {
      RETURN_IF_ERROR(ParseFactor(written.substr(at + 1), *factor));
      written = written.substr(0, at);
    }
  }
  ASSIGN_OR_RETURN(kernel.read, RecipeTensors::Parse(text.substr(0, arrow)));
  ASSIGN_OR_RETURN(kernel.written, RecipeTensors::Parse(written));
  return kernel;
}

std::string RecipeKernel::Text() const {
  return fmt::format("{}>{}{}{}{}", read.Text(), written.Text(),
                     factor == 1 ? std::string() : fmt::format("*{}", factor),
                     issue == 0 ? std::string() : fmt::format("~{}", issue),
                     workloads::Text(least, least_per_column));
}

Recipe Recipe::Of(std::vector<std::string_view> forward, std::vector<std::string_view> backward,
                  std::string_view saved, std::string_view transient) {
  Recipe recipe;
  const auto parse = [](std::string_view text) {
    const Result<RecipeKernel> kernel = RecipeKernel::Parse(text);
    CHECK(kernel.has_value(), "recipe {}", text);
    return *kernel;
  };
  for (const std::string_view text : forward) {
    recipe.forward.push_back(parse(text));
  }
  for (const std::string_view text : backward) {
    recipe.backward.push_back(parse(text));
  }
  recipe.saved = RecipeTensors::Parse(saved).value();
  recipe.transient = RecipeTensors::Parse(transient).value();
  return recipe;
}

MemoryBound OperationOf(const RecipeKernel& kernel, const RecipeExtent& extent,
                        MemoryBoundKind kind, bool is_alone) {
  MemoryBound work{
      .kind = kind,
      .read = kernel.factor * kernel.read.BytesOf(extent),
      .written = kernel.factor * kernel.written.BytesOf(extent),
      .flops = Flops{},
      .dtype = extent.compute,
      .rows = std::llround(extent.rows),
      .least = kernel.least,
      .issued = kernel.issue * (kernel.read.BytesOf(extent) + kernel.written.BytesOf(extent))};
  if (extent.rows > 0) {
    work.least += extent.elements / extent.rows * kernel.least_per_column;
  }
  if (!is_alone) {
    work.kind = kLopsided * work.written < work.read   ? MemoryBoundKind::kResidualAdd
                : kLopsided * work.read < work.written ? MemoryBoundKind::kCast
                                                       : MemoryBoundKind::kCopy;
  }
  return work;
}

const Schema<Recipe>& SchemaOf(Tag<Recipe>) {
  static const Schema<Recipe> schema =
      Schema<Recipe>("the kernels of a part of a layer, and what is kept of it")
          .Optional("forward", &Recipe::forward, "kernels of the forward, in order")
          .Optional("backward", &Recipe::backward, "kernels of the backward, in order")
          .Optional("saved", &Recipe::saved,
                    "tensors kept for the backward, beside what the matrices and attention keep")
          .Optional("transient", &Recipe::transient,
                    "tensors that live in the backward beyond the saved ones, at its fullest")
          .Optional("keeps_output", &Recipe::keeps_output,
                    "the result is kept as the input of the matrix after it; false: computed again")
          .Optional("apart", &Recipe::apart, "queries and keys each run the kernels");
  return schema;
}

const Schema<Recipes>& SchemaOf(Tag<Recipes>) {
  static const Schema<Recipes> schema =
      Schema<Recipes>("the kernels of each part that is bound by memory")
          .Optional("least", &Recipes::least,
                    "time that no kernel bound by memory is shorter than, with the gap before the "
                    "next one in a replayed graph",
                    {.at_least = Seconds{}})
          .Optional("norm", &Recipes::norm, "RMSNorm over tokens x hidden")
          .Optional("layer_norm", &Recipes::layer_norm, "LayerNorm, likewise")
          .Optional("residual", &Recipes::residual,
                    "the residual addition; backward: the sum of the gradients where it forked")
          .Optional("bias", &Recipes::bias, "a linear layer's bias, over its outputs")
          .Optional("fork", &Recipes::fork,
                    "of each further product over one input, over tokens x hidden: backward, the "
                    "sum of the input's gradients")
          .Optional("head_layout", &Recipes::head_layout,
                    "queries and values put in another order of heads, over both")
          .Optional("qk_norm", &Recipes::qk_norm, "RMSNorm of queries and keys, over both")
          .Optional("rotary", &Recipes::rotary, "rotary positions of queries and keys, over both")
          .Optional("gated_activation", &Recipes::gated_activation,
                    "activation of the gate times up, over tokens x width")
          .Optional("expert_activation", &Recipes::expert_activation,
                    "likewise of experts, over copies of tokens x width; none: as "
                    "gated_activation")
          .Optional("activation", &Recipes::activation, "GELU, over tokens x width")
          .Optional("routing", &Recipes::routing, "softmax and choice, over tokens x experts")
          .Optional("permute", &Recipes::permute,
                    "copies of tokens sorted by expert, over copies x hidden")
          .Optional("unpermute", &Recipes::unpermute, "their weighted sum, over copies x hidden")
          .Optional("loss", &Recipes::loss, "cross-entropy over tokens x vocabulary")
          .Optional("embedding", &Recipes::embedding, "token embedding over tokens x hidden")
          .Optional("embedding_table", &Recipes::embedding_table,
                    "what the embedding's gradient costs beside its rows, over vocabulary x hidden")
          .Optional("tied_table", &Recipes::tied_table,
                    "the sum of the two gradients of a table that embedding and head share, over "
                    "vocabulary x hidden")
          .Optional("accumulation", &Recipes::accumulation,
                    "a weight's gradient added to that of earlier micro-batches, over the weight");
  return schema;
}

}  // namespace ridgeline::workloads

namespace ridgeline {
namespace {

template <class T>
std::optional<T> DecodeRecipeText(const Node& node, const DecodeContext& context) {
  const std::optional<std::string> text = internal::DecodeString(node, context);
  if (!text) {
    return std::nullopt;
  }
  Result<T> value = T::Parse(*text);
  if (!value) {
    context.Fail(node, value.error().message, value.error().hint);
    return std::nullopt;
  }
  return *std::move(value);
}

}  // namespace

std::optional<workloads::RecipeTensors> Codec<workloads::RecipeTensors>::Decode(
    const Node& node, const DecodeContext& context) {
  return DecodeRecipeText<workloads::RecipeTensors>(node, context);
}

void Codec<workloads::RecipeTensors>::Explain(KeyInfo& info) {
  info.type = "tensors";
  info.unit_example = "letters, such as xfr";
}

std::optional<workloads::RecipeKernel> Codec<workloads::RecipeKernel>::Decode(
    const Node& node, const DecodeContext& context) {
  return DecodeRecipeText<workloads::RecipeKernel>(node, context);
}

void Codec<workloads::RecipeKernel>::Explain(KeyInfo& info) {
  info.type = "kernel";
  info.unit_example = "reads>writes, such as xx>x";
}

}  // namespace ridgeline
