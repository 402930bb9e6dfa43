/// Which kernels a framework runs for a part of a layer that is bound by memory, and what it keeps
/// of that part for the backward: data of a framework (configs/frameworks), one token a kernel.
///
/// A kernel is written `reads>writes`, a letter for each tensor, with `*factor` where it was
/// measured to take so many times what its traffic takes, `~factor` where it is bound by issuing
/// narrow or strided accesses (it takes what so many times its bytes take on an H100, and no less
/// where memory is faster), and `@time` or `@time+time` where no such kernel is shorter: so much,
/// and so much for each element of a row (`x>xr@1.9us+1ns`). A letter stands for a tensor with one
/// entry for each element of the part (tokens x hidden for a norm, tokens x width for an
/// activation, tokens x vocabulary for the loss):
///
///     x  in the type that computes          f  fp32            h  half of an x
///     m  one byte                           g  in the type that gradients are kept in
///     r  one fp32 a row (a statistic)       i  one int64 a row (an index)
///     t  x, but one for each token where the part's elements are copies of tokens (experts)
///
/// `xx>xxr` adds two tensors and writes their sum, its norm and the norm's statistic.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_reader.h"
#include "base/dtype.h"
#include "base/operation.h"
#include "base/result.h"
#include "base/units.h"

namespace ridgeline::workloads {

/// Sizes of one part on one rank.
struct RecipeExtent {
  double elements = 0;
  double rows = 0;            // tokens that the elements belong to
  double token_elements = 0;  // what `t` counts; 0: as elements
  DType compute = DType::kBf16;
  DType gradient = DType::kFp32;
};

/// Tensors as letters; "" is none.
struct RecipeTensors {
  static constexpr std::string_view kLetters = "xfhmgrit";
  std::array<int, kLetters.size()> count = {};

  /// InvalidArgument with the letter that means nothing.
  static Result<RecipeTensors> Parse(std::string_view text);
  std::string Text() const;
  Bytes BytesOf(const RecipeExtent& extent) const;
  friend bool operator==(const RecipeTensors&, const RecipeTensors&) = default;
};

struct RecipeKernel {
  RecipeTensors read;
  RecipeTensors written;
  double factor = 1;         // of the time that its bytes take
  double issue = 0;          // likewise, bound by multiprocessors; 0: it is not
  Seconds least;             // 0: as Recipes::least
  Seconds least_per_column;  // more for each element of a row

  /// InvalidArgument: no '>', an unknown letter, a factor that is none.
  static Result<RecipeKernel> Parse(std::string_view text);
  std::string Text() const;
  friend bool operator==(const RecipeKernel&, const RecipeKernel&) = default;
};

struct Recipe {
  std::vector<RecipeKernel> forward;
  std::vector<RecipeKernel> backward;
  RecipeTensors saved;       // for the backward, beside what the matrices and the attention keep
  RecipeTensors transient;   // live in the backward beyond what is saved, at its fullest
  bool keeps_output = true;  // the result is kept as the input of the matrix after it
  bool apart = false;        // queries and keys each run the kernels

  static Recipe Of(std::vector<std::string_view> forward, std::vector<std::string_view> backward,
                   std::string_view saved, std::string_view transient = "");
  friend bool operator==(const Recipe&, const Recipe&) = default;
};

/// The kernel as an operation over `extent`. `kind` is the part's: a kernel that runs alone is
/// priced as such; one of several is a pointwise kernel, priced as the addition, the cast or the
/// copy that moves bytes as it does.
MemoryBound OperationOf(const RecipeKernel& kernel, const RecipeExtent& extent,
                        MemoryBoundKind kind, bool is_alone);

/// The parts. Defaults: kernels fused as hand-written libraries fuse them, and kept as Korthikanti
/// et al. count (arXiv:2205.05198, section 4.1).
struct Recipes {
  Seconds least;  // of any kernel, the gap before the next one in a replayed graph included
  Recipe norm = Recipe::Of({"x>x"}, {"xx>x"}, "x");        // RMSNorm
  Recipe layer_norm = Recipe::Of({"x>x"}, {"xx>x"}, "x");  // and LayerNorm
  Recipe residual = Recipe::Of({"xx>x"}, {"xx>x"}, "");    // and the sum of its gradients
  Recipe bias = Recipe::Of({}, {}, "");                    // of a linear layer's outputs
  Recipe fork = Recipe::Of({}, {"xx>x"}, "");   // one more product over an input: sum of gradients
  Recipe head_layout = Recipe::Of({}, {}, "");  // queries and values put in order by head
  Recipe qk_norm = Recipe::Of({"x>x"}, {"xx>x"}, "x");                     // over queries and keys
  Recipe rotary = Recipe::Of({"x>x"}, {"x>x"}, "");                        // likewise
  Recipe gated_activation = Recipe::Of({"xx>x"}, {"xxx>xx"}, "xx", "xx");  // over one width
  /// Of experts, over copies of tokens x width; without a forward: as gated_activation.
  Recipe expert_activation = Recipe::Of({}, {}, "");
  Recipe activation = Recipe::Of({"x>x"}, {"xx>x"}, "x", "x");
  Recipe routing = Recipe::Of({"x>f"}, {"f>x"}, "f");  // over tokens x experts
  Recipe permute = Recipe::Of({"x>x"}, {"x>t"}, "");   // over copies of tokens x hidden
  Recipe unpermute = Recipe::Of({"x>t"}, {"xx>x"}, "x");
  Recipe loss = Recipe::Of({"x>f"}, {"f>x"}, "f", "x");   // over tokens x vocabulary
  Recipe embedding = Recipe::Of({"x>x"}, {"xg>g"}, "i");  // over tokens x hidden; ids
  Recipe embedding_table = Recipe::Of({}, {}, "");        // over vocabulary x hidden
  /// A table that embedding and head share: the sum of its two gradients, over vocabulary x hidden.
  Recipe tied_table = Recipe::Of({}, {"xx>x"}, "", "x");
  Recipe accumulation = Recipe::Of({}, {"xg>g"}, "");  // of a weight's gradient
  friend bool operator==(const Recipes&, const Recipes&) = default;
};

const Schema<Recipe>& SchemaOf(Tag<Recipe>);
const Schema<Recipes>& SchemaOf(Tag<Recipes>);

}  // namespace ridgeline::workloads

namespace ridgeline {

template <>
struct Codec<workloads::RecipeTensors> {
  static std::optional<workloads::RecipeTensors> Decode(const Node& node,
                                                        const DecodeContext& context);
  static void Explain(KeyInfo& info);
  static std::string Write(const workloads::RecipeTensors& value) { return value.Text(); }
};

template <>
struct Codec<workloads::RecipeKernel> {
  static std::optional<workloads::RecipeKernel> Decode(const Node& node,
                                                       const DecodeContext& context);
  static void Explain(KeyInfo& info);
  static std::string Write(const workloads::RecipeKernel& value) { return value.Text(); }
};

}  // namespace ridgeline
