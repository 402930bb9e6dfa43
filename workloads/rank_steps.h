/// Shapes of one rank and the steps that all parts of a layer are made of: linear layers with their
/// two gradients, kernels bound by memory, and the collectives at the edges of a tensor-parallel
/// region. Used by the lowering of attention, feed-forward, mixture, embedding and head.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/fp8_layers.h"
#include "workloads/lowering.h"

namespace ridgeline::workloads {

/// What the parts of a layer need to know of the request, worked out once.
struct RankShape {
  explicit RankShape(const LoweringRequest& request);
  /// The same where no product runs in fp8: of embedding and head, and of the router.
  RankShape WithoutFp8() const {
    RankShape shape = *this;
    shape.product = compute;
    return shape;
  }

  const Model& model;
  const Framework& framework;
  DType compute;              // of activations, and of whatever is no product of a linear layer
  DType product;              // of the products of linear layers: `compute`, or fp8
  Fp8Recipe fp8;              // where that is fp8
  double element = 2;         // bytes of an activation
  int64_t sequence = 0;       // tokens of one sequence
  int64_t batch = 1;          // sequences of a micro-batch
  int64_t micro_batches = 0;  // of a step; 0: many
  int64_t tokens = 0;         // of the micro-batch on this rank: 1/cp of them
  int64_t shard_tokens = 0;   // of those, outside the tensor-parallel regions on this rank
  int64_t hidden = 0;
  int64_t tp = 1;
  int64_t ep = 1;
  int64_t expert_tp = 1;        // of the experts
  RankGroup expert_group = {};  // ranks that hold different ones
  ExpertRouting routing;
  int64_t cp = 1;
  ContextExchange exchange = ContextExchange::kRing;
  int64_t context_inner = 1;
  bool sequence_parallel = false;

  bool quantizes() const { return product == DType::kFp8 && compute != DType::kFp8; }
  /// Whether sequence-parallel gathers of products' inputs and of their outputs' gradients move
  /// the 8-bit copy.
  bool GathersQuantized() const {
    return quantizes() && sequence_parallel && fp8.gathers_activations;
  }
  /// What is kept of a product's input for the gradient of its weights.
  Bytes ProductInput(int64_t rows, int64_t width) const {
    return quantizes() && framework.fp8_kernels.keeps_inputs
               ? QuantizedBytes(fp8.scaling, static_cast<double>(rows) * static_cast<double>(width))
               : Activation(rows, width);
  }
  /// What is kept besides of a product's input that another operation keeps in 16 bits: attention
  /// its output.
  Bytes SecondCopy(int64_t rows, int64_t width) const {
    return quantizes() && framework.fp8_kernels.keeps_inputs ? ProductInput(rows, width) : Bytes{};
  }
  Bytes Activation(int64_t rows, int64_t width) const {
    return Bytes::FromBase(static_cast<double>(rows) * static_cast<double>(width) * element);
  }
  RecipeExtent Extent(double elements, double rows) const {
    return {.elements = elements,
            .rows = rows,
            .compute = compute,
            .gradient = framework.dtypes.gradients};
  }
  /// What a recipe keeps of `rows` rows of `width`.
  Bytes Saved(const Recipe& recipe, int64_t rows, int64_t width) const {
    return recipe.saved.BytesOf(
        Extent(static_cast<double>(rows) * static_cast<double>(width), static_cast<double>(rows)));
  }
  Bytes Transient(const Recipe& recipe, int64_t rows, int64_t width) const {
    return recipe.transient.BytesOf(
        Extent(static_cast<double>(rows) * static_cast<double>(width), static_cast<double>(rows)));
  }
  /// Whether a gradient has no memory until the only micro-batch's backward makes it.
  bool MakesGradientsOnce() const {
    return framework.gradients == GradientBuffers::kOnDemand && micro_batches == 1;
  }
  Bytes GradientBytes(double parameters) const {
    return parameters * BytesPerElement(framework.dtypes.gradients);
  }
  /// A feed-forward part when its last product makes its weights' gradient, beyond what the layer
  /// kept: `parameters` gradients, that of one side of the activation and two of its input, less
  /// what the part has given back, which is all but norm and input.
  Bytes LateInFeedForward(double parameters, Bytes width, Bytes input, Bytes saved) const {
    const Bytes live = GradientBytes(parameters) + width + 3.0 * input;
    return saved < live && MakesGradientsOnce() ? live - saved : Bytes{};
  }
  const Recipe& NormRecipe(NormKind kind) const {
    return kind == NormKind::kRmsNorm ? framework.recipes.norm : framework.recipes.layer_norm;
  }
  const Recipe& ActivationRecipe(const FeedForward& feed_forward) const {
    const Recipes& recipes = framework.recipes;
    if (feed_forward.kind == FeedForwardKind::kMixture && feed_forward.is_gated &&
        !recipes.expert_activation.forward.empty()) {
      return recipes.expert_activation;
    }
    return feed_forward.is_gated ? recipes.gated_activation : recipes.activation;
  }
  /// What an activation over `rows` of `width` keeps, its result included likewise.
  Bytes SavedByActivation(const FeedForward& feed_forward, int64_t rows, int64_t width) const {
    const Recipe& recipe = ActivationRecipe(feed_forward);
    return Saved(recipe, rows, width) + (recipe.keeps_output ? ProductInput(rows, width) : Bytes{});
  }
  /// Of that, the result.
  Bytes OutputOfActivation(const FeedForward& feed_forward, int64_t rows, int64_t width) const {
    return ActivationRecipe(feed_forward).keeps_output ? ProductInput(rows, width) : Bytes{};
  }
  /// A norm over `rows` vectors of the hidden width: what it keeps, its result included where that
  /// is the next product's input: in 8 bits where the products read those, unless it is gathered in
  /// 16.
  Bytes SavedByNorm(NormKind kind, int64_t rows) const {
    return Saved(NormRecipe(kind), rows, hidden) + OutputOfNorm(kind, rows);
  }
  /// Of that, the result.
  Bytes OutputOfNorm(NormKind kind, int64_t rows) const {
    if (!NormRecipe(kind).keeps_output) {
      return {};
    }
    return sequence_parallel && !GathersQuantized() ? Activation(rows, hidden)
                                                    : ProductInput(rows, hidden);
  }
  /// What dropout keeps of `rows` vectors of the hidden width: a byte an element, or nothing.
  Bytes DropoutMask(int64_t rows) const {
    return Bytes::FromBase(
        framework.dropout ? static_cast<double>(rows) * static_cast<double>(hidden) : 0.0);
  }
  /// The activations that enter and leave a tensor-parallel region, whole.
  Bytes Boundary() const { return Activation(tokens, hidden); }
  /// A size that tp cuts; CheckLayout has refused what does not divide.
  int64_t Cut(int64_t size) const;
};

/// A stretch of a part's forward that can be computed again. Its input stays, what it keeps for its
/// backward does not.
struct RecomputablePiece {
  RecomputeModule module = RecomputeModule::kCoreAttention;
  size_t first = 0;  // of PartOfLayer::forward
  size_t last = 0;   // one past
  Bytes saved;       // no longer kept
};

/// One half of a layer: what it does and what it keeps.
struct PartOfLayer {
  std::vector<Step> forward;
  std::vector<Step> backward;
  Bytes saved;
  Bytes transient;  // gradients that its backward holds at once, beyond what it gives back
  /// One a module at most; a piece lies within another or apart from it.
  std::vector<RecomputablePiece> pieces;

  /// The piece of all forward steps since there were `first`.
  void AddPiece(RecomputeModule module, size_t first, Bytes not_kept) {
    pieces.push_back({.module = module, .first = first, .last = forward.size(), .saved = not_kept});
  }
};

/// Products over one input, as a framework runs them: one of all, or one each.
struct Products {
  struct Product {
    std::string name;
    int64_t out = 0;
    bool has_bias = false;
  };
  std::vector<Product> list;
};
/// The one named `name` of all of `parts` that have a width, or they apart.
Products ProductsOf(bool is_one, std::string name, std::vector<Products::Product> parts);

/// Appends steps to a list; every function names what it models. `part` applies to those that do
/// not say otherwise.
class RankSteps {
 public:
  RankSteps(const RankShape& shape, std::vector<Step>& steps, StepPart part)
      : shape_(&shape), steps_(&steps), part_(part) {}

  void Add(std::string name, Operation operation) { Add(std::move(name), operation, part_); }
  void Add(std::string name, Operation operation, StepPart part);

  /// The kernels of a recipe, forward or backward. `kind`: what its part is when it is one kernel.
  void Run(std::string_view name, const std::vector<RecipeKernel>& kernels,
           const RecipeExtent& extent, MemoryBoundKind kind);

  /// A recipe over this micro-batch's queries and keys, together or each (Recipe::apart).
  struct HeadWidths {
    int64_t queries = 0;
    int64_t keys = 0;
  };
  void OverHeads(std::string_view name, const Recipe& recipe, bool is_backward, HeadWidths widths,
                 MemoryBoundKind kind);

  /// Where products run in fp8: the passes that make 8-bit copies of a 16-bit tensor
  /// (fp8_layers.h). Nothing elsewhere. `is_fused`: the kernel that wrote the tensor made the first
  /// copy already.
  void Quantize(std::string_view name, int64_t rows, int64_t width, Fp8Copies copies,
                bool is_fused = false);
  /// The transposed copy of a tensor that is there in 8 bits: gathered, say.
  void TransposeQuantized(std::string_view name, int64_t rows, int64_t width);
  /// A product's input, before the forward's product; and once more before its weight gradient
  /// where the framework kept 16 bits. Without a tensor-parallel gather before it.
  void QuantizeInput(std::string_view name, int64_t rows, int64_t width, bool is_fused = false);
  void QuantizeSavedInput(std::string_view name, int64_t rows, int64_t width);
  /// The gradient of a product's output, for both of its gradients.
  void QuantizeGradient(std::string_view name, int64_t rows, int64_t width);
  /// Weights, where each forward and backward quantises them anew.
  void QuantizeWeights(std::string_view name, int64_t groups, int64_t in, int64_t out);

  /// [rows, in] x [in, out] -> [rows, out]; with a cast of the weights first when they are kept
  /// wider than they compute.
  void Linear(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// The gradient of its input.
  void LinearInputGradient(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// Products over one input: one of all widths, or one each, whose input gradients are then
  /// summed.
  void Linears(const Products& products, int64_t rows, int64_t in);
  void LinearsInputGradient(const Products& products, int64_t rows, int64_t in);
  void LinearsWeightGradient(const Products& products, int64_t rows, int64_t in);
  /// What a bias adds to a linear layer of `out` outputs.
  void Bias(std::string_view name, int64_t rows, int64_t out);
  void BiasBackward(std::string_view name, int64_t rows, int64_t out);
  /// The gradient of its weights, added to what earlier micro-batches left: by the GEMM's epilogue,
  /// or by a kernel of its own.
  void LinearWeightGradient(std::string_view name, int64_t rows, int64_t in, int64_t out);
  /// The addition of `elements` gradients in compute precision to the accumulated ones, from the
  /// second micro-batch on where gradients are made on demand: as the mean over micro-batches.
  void AccumulateGradient(std::string_view name, int64_t elements);

  /// A kernel that reads and writes so many activations.
  /// `rows`: tokens that the bytes belong to, where that is how the kernel runs; 0: not known.
  void Memory(std::string name, MemoryBoundKind kind, double elements_read, double elements_written,
              int64_t rows = 0);
  void MemoryBytes(std::string name, MemoryBoundKind kind, double bytes_read, double bytes_written,
                   int64_t rows = 0);

  /// A normalisation of `rows` vectors of the hidden width.
  void Norm(std::string name, NormKind kind, int64_t rows);
  /// `is_fork`: its input went along the residual stream too, whose gradient is added.
  void NormBackward(std::string name, NormKind kind, int64_t rows, bool is_fork = true);
  /// The residual addition; with dropout of the branch, which writes its mask.
  void ResidualAdd(std::string name, int64_t rows);
  /// The branch's gradient, masked, where there is dropout.
  void DropoutBackward(std::string name, int64_t rows);
  /// The activation of a feed-forward over `rows` x `width` (gated: twice that read).
  void Activation(const FeedForward& feed_forward, int64_t rows, int64_t width);
  /// The same before a product, whose input it is, with the quantisation.
  void ActivationOfProduct(const FeedForward& feed_forward, int64_t rows, int64_t width);
  void ActivationBackward(const FeedForward& feed_forward, int64_t rows, int64_t width);

  /// Whether the norm before products writes 8 bits itself.
  bool NormQuantizes() const;
  /// The norm before products, over a rank's own tokens.
  void NormOfProducts(std::string name, NormKind kind);
  /// Entering a tensor-parallel region, forward: an all-gather under sequence parallelism. With
  /// fp8 the input is quantised, before the gather where that moves 8 bits. `is_quantized`: the
  /// kernel before wrote 8 bits.
  void EnterRegion(std::string_view name, bool is_quantized = false);
  /// Leaving it: a reduce-scatter, or an all-reduce without sequence parallelism.
  void LeaveRegion(std::string_view name);
  /// Backward through the exit: an all-gather under sequence parallelism. With fp8 the gradient of
  /// the region's output is quantised.
  void LeaveRegionBackward(std::string_view name);
  /// The input was kept as a shard: gathered again for the weight gradient (arXiv:2205.05198,
  /// section 4.2.2). With fp8 it has its transposed copy then.
  void GatherSavedInput(std::string_view name);
  /// The transposed copy of what GatherSavedInput brought.
  void TransposeGathered(std::string_view name);
  /// Backward through the entry: a reduce-scatter, or an all-reduce.
  void EnterRegionBackward(std::string_view name, bool before_weight_gradient = true);

  void Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis);
  void Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis, DType dtype) {
    Collect(std::move(name), kind, bytes, axis, dtype, part_);
  }
  void Collect(std::string name, CollectiveKind kind, Bytes bytes, Axis axis, DType dtype,
               StepPart part);
  /// The collective that came last runs while the next operation does.
  void RunBesideNext() { steps_->back().runs_beside_next = true; }

 private:
  /// The last kernel writes so many elements in 8 bits instead of 16.
  void LeaveQuantized(double elements);

  const RankShape* shape_;
  std::vector<Step>* steps_;
  StepPart part_;
};

/// The parts; each brings its normalisation and residual addition. `norm_after` adds one after the
/// part, as Gemma does.
Result<PartOfLayer> LowerAttention(const RankShape& shape, const Layer& layer, bool norm_after);
Result<PartOfLayer> LowerLatentAttention(const RankShape& shape, const Layer& layer);
Result<PartOfLayer> LowerFeedForward(const RankShape& shape, const Layer& layer, bool norm_after);
Result<PartOfLayer> LowerMixture(const RankShape& shape, const Layer& layer, bool norm_after);

/// OK, or what of the request is not modelled.
Status CheckLowering(const LoweringRequest& request);

}  // namespace ridgeline::workloads
