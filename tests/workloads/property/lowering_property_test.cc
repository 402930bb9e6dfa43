// FLOPs of lowered layers are those of the closed forms, whatever the shape and the layout.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/workloads/small_models.h"
#include "workloads/lowering.h"

namespace ridgeline::workloads {
namespace {

Model AnyModel(int64_t tp) {
  const int64_t heads = tp * *rc::gen::inRange<int64_t>(1, 5) * 2;
  const int64_t kv_heads = heads / 2;
  const int64_t hidden = heads * 2 * *rc::gen::inRange<int64_t>(1, 17);
  const int64_t width = tp * *rc::gen::inRange<int64_t>(1, 200);
  const int64_t layers = *rc::gen::inRange<int64_t>(1, 4);
  Model model;
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      model = Gpt(hidden, heads, layers);
      break;
    case 1:
      model = Llama(hidden, heads, kv_heads, width, layers);
      break;
    case 2:
      model = Mixture(hidden, heads, kv_heads, width, 8, *rc::gen::inRange<int64_t>(1, 9),
                      *rc::gen::element<int64_t>(0, tp, 3 * tp), layers);
      break;
    default: {
      model = Llama(hidden, heads, heads, width, layers);
      Mixer& mixer = model.kinds[0].mixer;
      mixer.kind = MixerKind::kLatentAttention;
      mixer.head_dim = 16;
      mixer.v_head_dim = *rc::gen::element<int64_t>(16, 24);
      mixer.rotary_dim = 8;
      mixer.kv_lora_rank = 32;
      mixer.q_lora_rank = *rc::gen::element<int64_t>(0, 48);
    }
  }
  model.kinds[0].mixer.has_output_gate =
      model.kinds[0].mixer.kind == MixerKind::kAttention && *rc::gen::arbitrary<bool>();
  return model;
}

/// Matrix and attention FLOPs of steps; flash's own repetition of QK^T taken off.
double MatrixFlops(const std::vector<Step>& steps) {
  double flops = 0;
  for (const Step& step : steps) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation == nullptr || std::holds_alternative<MemoryBound>(*operation)) {
      continue;
    }
    if (const auto* attention = std::get_if<Attention>(operation)) {
      Attention forward = *attention;
      forward.pass = AttentionPass::kForward;
      flops += FlopsOf(Operation(forward)).base() *
               (attention->pass == AttentionPass::kForward ? 1.0 : 2.0);
    } else {
      flops += FlopsOf(*operation).base();
    }
  }
  return flops;
}

RC_GTEST_PROP(LoweringProperty, StepsDoTheModelsFlops, ()) {
  const auto tp = *rc::gen::element<int64_t>(1, 2, 4);
  const Model model = AnyModel(tp);
  const Framework framework;
  const int64_t sequence = tp * *rc::gen::inRange<int64_t>(1, 33);
  LoweringRequest request = Request(model, framework, sequence, tp, tp > 1);
  request.micro_batch = *rc::gen::inRange<int64_t>(1, 4);
  const auto layer = LowerLayer(request, model.kinds[0]);
  RC_ASSERT(layer.has_value());
  const double lowered = MatrixFlops(layer->forward) + MatrixFlops(layer->backward);
  RC_ASSERT(std::abs(lowered / layer->model_flops.base() - 1) < 1e-12);
}

RC_GTEST_PROP(LoweringProperty, BackwardIsTwiceForward, ()) {
  const Model model = AnyModel(1);
  const Framework framework;
  const auto layer = LowerLayer(Request(model, framework, 48), model.kinds[0]);
  RC_ASSERT(std::abs(MatrixFlops(layer->backward) / MatrixFlops(layer->forward) - 2) < 1e-12);
}

// Summed over layers and ranks, model FLOPs are what MFU counts a token.
RC_GTEST_PROP(LoweringProperty, LayersAndRanksSumToTheModel, ()) {
  const auto tp = *rc::gen::element<int64_t>(1, 2, 4);
  const Model model = AnyModel(tp);
  const Framework framework;
  const int64_t sequence = tp * *rc::gen::inRange<int64_t>(1, 33);
  const LoweringRequest request =
      Request(model, framework, sequence, tp, *rc::gen::arbitrary<bool>() && tp > 1);
  const auto head = LowerHead(request);
  double flops = head->model_flops.base();
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    flops += LowerLayer(request, model.layer(i))->model_flops.base();
  }
  flops *= static_cast<double>(tp) / static_cast<double>(sequence);
  RC_ASSERT(std::abs(flops / TrainingFlopsPerToken(model, sequence, true) - 1) < 1e-12);
}

// Full recomputation adds exactly one forward.
RC_GTEST_PROP(LoweringProperty, FullRecomputeAddsOneForward, ()) {
  const Model model = AnyModel(2);
  const Framework framework;
  LoweringRequest request = Request(model, framework, 32, 2, true);
  const auto plain = LowerLayer(request, model.kinds[0]);
  request.recompute = Recompute::kFull;
  const auto again = LowerLayer(request, model.kinds[0]);
  RC_ASSERT(std::abs(MatrixFlops(again->backward) - MatrixFlops(plain->backward) -
                     MatrixFlops(plain->forward)) <= 1e-9 * MatrixFlops(again->backward));
  RC_ASSERT(again->model_flops == plain->model_flops);
}

// What ranks hold sums to the model: divided matrices over tp, experts over tp x ep, the rest once.
RC_GTEST_PROP(LoweringProperty, ParametersAreConserved, ()) {
  const auto tp = *rc::gen::element<int64_t>(1, 2, 4);
  const auto ep = *rc::gen::element<int64_t>(1, 2, 8);
  const Model model = AnyModel(tp);
  const Layout layout{.tp = tp, .ep = ep, .dp = ep};
  const LayerParameters whole = CountParameters(model, model.kinds[0]);
  const RankParameters rank = ParametersOnRank(model, model.kinds[0], layout);
  const double replicated = static_cast<double>(whole.replicated);
  const double sum = (rank.dense - replicated) * static_cast<double>(tp) + replicated +
                     rank.experts * static_cast<double>(tp * ep);
  RC_ASSERT(std::abs(sum - static_cast<double>(whole.total())) < 1e-6 * sum);
}

}  // namespace
}  // namespace ridgeline::workloads
