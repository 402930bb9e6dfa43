#include "workloads/recompute.h"

#include <algorithm>
#include <utility>

#include "workloads/rank_steps.h"

namespace ridgeline::workloads {
namespace {

using Pieces = std::vector<RecomputablePiece>;

/// Steps of a part's forward, again.
void Repeat(const PartOfLayer& part, const std::vector<bool>& repeats, std::vector<Step>& again) {
  for (size_t i = 0; i < part.forward.size(); ++i) {
    if (repeats[i]) {
      again.push_back(part.forward[i]);
      again.back().part = StepPart::kRecompute;
    }
  }
}

bool IsWithin(const RecomputablePiece& inner, const RecomputablePiece& outer) {
  return outer.first <= inner.first && inner.last <= outer.last &&
         outer.last - outer.first > inner.last - inner.first;
}

/// What `wants` of a part's pieces: steps onto `again`; the bytes that they save.
template <class Predicate>
Bytes TakePieces(const PartOfLayer& part, Predicate wants, std::vector<Step>& again) {
  std::vector<bool> repeats(part.forward.size(), false);
  Pieces chosen;
  std::copy_if(part.pieces.begin(), part.pieces.end(), std::back_inserter(chosen), wants);
  Bytes saved;
  for (const RecomputablePiece& piece : chosen) {
    std::fill(repeats.begin() + static_cast<std::ptrdiff_t>(piece.first),
              repeats.begin() + static_cast<std::ptrdiff_t>(piece.last), true);
    const bool is_inside =
        std::any_of(chosen.begin(), chosen.end(),
                    [&](const RecomputablePiece& outer) { return IsWithin(piece, outer); });
    saved += is_inside ? Bytes{} : piece.saved;
  }
  Repeat(part, repeats, again);
  return saved;
}

/// What a step's result takes, where its operation is one whose results are kept.
struct KeptResult {
  bool is_kept = false;
  Bytes bytes = {};
};

double Real(int64_t value) { return static_cast<double>(value); }

/// `products`: plain ones so far.
KeptResult ResultOf(const Step& step, const Layout& layout, int64_t& products) {
  if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
    const auto ranks = Real(GroupOf(layout, collective->axis).ranks);
    switch (collective->kind) {
      case CollectiveKind::kReduceScatter:
        return {.is_kept = true, .bytes = collective->bytes / ranks};
      case CollectiveKind::kAllToAll:
        return {.is_kept = true, .bytes = collective->bytes};
      case CollectiveKind::kAllReduce:
      case CollectiveKind::kAllGather:
      case CollectiveKind::kBroadcast:
      case CollectiveKind::kSend:
        return {};
    }
    return {};
  }
  const Operation& operation = std::get<Operation>(step.work);
  if (const auto* gemm = std::get_if<Gemm>(&operation)) {
    if (gemm->batch > 1) {
      return {};  // of naive attention
    }
    products += 1;
    return {.is_kept = products % 2 == 1,
            .bytes = Real(gemm->m) * Real(gemm->n) * BytesPerElement(gemm->output_dtype)};
  }
  if (const auto* attention = std::get_if<Attention>(&operation)) {
    const double rows = Real(attention->batch) * Real(attention->q_len) * Real(attention->heads);
    const int64_t width = attention->v_head_dim > 0 ? attention->v_head_dim : attention->head_dim;
    // A naive kernel is products and a softmax of their own, which run again; its result is the
    // last of those.
    const Bytes log_sums = IsFused(attention->kernel) ? Bytes::FromBase(4.0 * rows) : Bytes{};
    return {.is_kept = IsFused(attention->kernel),
            .bytes = rows * Real(width) * BytesPerElement(attention->dtype) + log_sums};
  }
  return {};
}

/// Whether the backward needs the step's input (a matrix's, for its gradient; the combined tokens',
/// for that of their weights): recomputation ends with the last such step.
bool NeedsItsInput(const Step& step) {
  const auto* operation = std::get_if<Operation>(&step.work);
  if (operation == nullptr) {
    return false;
  }
  const auto* memory = std::get_if<MemoryBound>(operation);
  return memory == nullptr || memory->kind == MemoryBoundKind::kPermute;
}

/// The steps to run again; `kept` becomes the bytes of results that are not.
std::vector<Step> AgainByOperation(const LoweredLayer& lowered, const Layout& layout, Bytes& kept) {
  size_t end = lowered.forward.size();
  while (end > 0 && !NeedsItsInput(lowered.forward[end - 1])) {
    --end;
  }
  std::vector<Step> again;
  int64_t products = 0;
  for (size_t i = 0; i < lowered.forward.size(); ++i) {
    const Step& step = lowered.forward[i];
    const KeptResult result = ResultOf(step, layout, products);
    if (result.is_kept) {
      kept += result.bytes;
    } else if (i + 1 < end) {
      // The last one's own result is needed by nobody.
      again.push_back(step);
      again.back().part = StepPart::kRecompute;
    }
  }
  return again;
}

}  // namespace

void ApplyRecompute(const LoweringRequest& request, const RankShape& shape, PartsOfLayer parts,
                    LoweredLayer& lowered) {
  std::vector<Step> again;
  Bytes not_kept;
  const auto take = [&](auto wants) {
    not_kept += TakePieces(*parts.mixer, wants, again);
    not_kept += TakePieces(*parts.feed_forward, wants, again);
  };
  switch (request.recompute) {
    case Recompute::kNone:
    case Recompute::kOptimal:  // of layers as they are; the choice is made among costed ones
      return;
    case Recompute::kSelective:
      // Only where scores reach memory: a flash kernel recomputes them itself.
      if (!IsFused(KernelOf(shape.framework.attention))) {
        take([](const RecomputablePiece& piece) {
          return piece.module == RecomputeModule::kCoreAttention;
        });
      }
      break;
    case Recompute::kModules: {
      const std::vector<RecomputeModule>& modules = request.recompute_detail.modules;
      take([&](const RecomputablePiece& piece) {
        return std::find(modules.begin(), modules.end(), piece.module) != modules.end();
      });
      break;
    }
    case Recompute::kFull:
      again = lowered.forward;
      for (Step& step : again) {
        step.part = StepPart::kRecompute;
      }
      // The input stays: what comes back is the rest.
      not_kept = lowered.saved_activations - shape.Activation(shape.shard_tokens, shape.hidden);
      break;
    case Recompute::kOperations: {
      Bytes kept = shape.Activation(shape.shard_tokens, shape.hidden);
      again = AgainByOperation(lowered, request.layout, kept);
      not_kept = lowered.saved_activations - kept;
      break;
    }
  }
  lowered.backward.insert(lowered.backward.begin(), again.begin(), again.end());
  lowered.saved_activations -= not_kept;
  lowered.recompute_buffer += std::max(not_kept, Bytes{});
}

std::vector<RecomputeModule> ModulesOf(PartsOfLayer parts) {
  std::vector<RecomputeModule> modules;
  for (const auto& [name, module] : EnumNames(Tag<RecomputeModule>{})) {
    const auto offers = [&, wanted = module](const PartOfLayer& part) {
      return std::any_of(part.pieces.begin(), part.pieces.end(),
                         [&](const RecomputablePiece& piece) {
                           return piece.module == wanted && piece.saved > Bytes{};
                         });
    };
    if (offers(*parts.mixer) || offers(*parts.feed_forward)) {
      modules.push_back(module);
    }
  }
  return modules;
}

}  // namespace ridgeline::workloads
