#include "workloads/product_pieces.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

namespace ridgeline::workloads {
namespace {

const Gemm* ProductIn(const Step& step) {
  const auto* operation = std::get_if<Operation>(&step.work);
  const Gemm* gemm = operation == nullptr ? nullptr : std::get_if<Gemm>(operation);
  return gemm != nullptr && gemm->batch == 1 ? gemm : nullptr;
}

const MemoryBound* MemoryIn(const Step& step) {
  const auto* operation = std::get_if<Operation>(&step.work);
  return operation == nullptr ? nullptr : std::get_if<MemoryBound>(operation);
}

const AxisCollective* TensorCollective(const Step& step, CollectiveKind kind) {
  const auto* collective = std::get_if<AxisCollective>(&step.work);
  return collective != nullptr && collective->axis == Axis::kTensor && collective->kind == kind &&
                 !step.runs_beside_next
             ? collective
             : nullptr;
}

/// Products of one gathered input, with the kernels between them.
struct GatheredProducts {
  std::vector<const Step*> before;  // casts of weights
  std::vector<const Step*> products;
  std::vector<const Step*> after;  // biases and sums
  double width = 0;                // of all products
  size_t end = 0;                  // the first step behind them
};

class Cutter {
 public:
  Cutter(const std::vector<Step>& steps, const Layout& layout, const TensorOverlap& overlap)
      : steps_(steps), tp_(layout.tp), overlap_(overlap) {}

  std::vector<Step> Cut() {
    for (size_t i = 0; i < steps_.size();) {
      std::optional<size_t> next = CutGather(i);
      if (!next) {
        next = CutScatter(i);
      }
      if (!next) {
        cut_.push_back(steps_[i]);
      }
      i = next.value_or(i + 1);
    }
    return std::move(cut_);
  }

 private:
  GatheredProducts ProductsFrom(size_t first) const {
    const StepPart part = steps_[first].part;
    GatheredProducts found;
    std::vector<const Step*> since;  // the last product
    const Gemm* of = nullptr;
    for (size_t i = first + 1; i < steps_.size() && steps_[i].part == part; ++i) {
      const Step& step = steps_[i];
      const Gemm* product = ProductIn(step);
      if (product != nullptr && (of == nullptr || (product->m == of->m && product->k == of->k))) {
        of = product;
        for (const Step* between : since) {
          const bool is_cast = MemoryIn(*between)->kind == MemoryBoundKind::kCast;
          (is_cast ? found.before : found.after).push_back(between);
        }
        since.clear();
        found.products.push_back(&step);
        found.width += static_cast<double>(product->n);
        found.end = i + 1;
      } else if (MemoryIn(step) != nullptr) {
        since.push_back(&step);
      } else {
        break;
      }
      if (of == nullptr && MemoryIn(step)->kind != MemoryBoundKind::kCast) {
        break;  // something else reads what was gathered
      }
    }
    return found;
  }

  void Send(const Step& like, std::string name, CollectiveKind kind, Bytes bytes,
            bool runs_beside_next) {
    AxisCollective piece = std::get<AxisCollective>(like.work);
    piece.kind = kind;
    piece.bytes = bytes;
    piece.multiprocessors = kind == CollectiveKind::kSend ? overlap_.exchange_multiprocessors
                                                          : overlap_.pipeline_multiprocessors;
    cut_.push_back({.name = std::move(name),
                    .work = piece,
                    .part = like.part,
                    .runs_beside_next = runs_beside_next});
  }

  void Multiply(const Step& like, int64_t piece, int64_t pieces) {
    Gemm gemm = *ProductIn(like);
    gemm.m /= pieces;
    cut_.push_back({.name = fmt::format("{} {}/{}", like.name, piece + 1, pieces),
                    .work = Operation{gemm},
                    .part = like.part});
  }

  std::optional<size_t> CutGather(size_t i) {
    const AxisCollective* gather = TensorCollective(steps_[i], CollectiveKind::kAllGather);
    if (gather == nullptr) {
      return std::nullopt;
    }
    const GatheredProducts found = ProductsFrom(i);
    if (found.products.empty() || ProductIn(*found.products.front())->m % tp_ != 0) {
      return std::nullopt;
    }
    for (const Step* step : found.before) {
      cut_.push_back(*step);
    }
    const Bytes way = gather->bytes / static_cast<double>(tp_);
    for (int64_t piece = 0; piece < tp_; ++piece) {
      for (const Step* product : found.products) {
        if (piece + 1 < tp_) {
          const double share = static_cast<double>(ProductIn(*product)->n) / found.width;
          Send(steps_[i], fmt::format("{} {}/{}", steps_[i].name, piece + 1, tp_ - 1),
               CollectiveKind::kSend, share * way, /*runs_beside_next=*/true);
        }
        Multiply(*product, piece, tp_);
      }
    }
    for (const Step* step : found.after) {
      cut_.push_back(*step);
    }
    return found.end;
  }

  std::optional<size_t> CutScatter(size_t i) {
    const Gemm* product = ProductIn(steps_[i]);
    if (product == nullptr) {
      return std::nullopt;
    }
    // A bias may come between; backward, a sum of several gradients must be over first.
    size_t at = i + 1;
    const bool is_backward = steps_[i].part == StepPart::kInputGradient;
    while (!is_backward && at < steps_.size() && MemoryIn(steps_[at]) != nullptr) {
      ++at;
    }
    if (at >= steps_.size() || steps_[at].part != steps_[i].part) {
      return std::nullopt;
    }
    const AxisCollective* scatter = TensorCollective(steps_[at], CollectiveKind::kReduceScatter);
    const bool exchanges = overlap_.scatter == ScatterMethod::kExchange;
    const int64_t pieces = exchanges ? tp_ : overlap_.pipeline_pieces;
    if (scatter == nullptr || pieces < 2 || product->m % pieces != 0) {
      return std::nullopt;
    }
    const Bytes way = scatter->bytes / static_cast<double>(pieces);
    for (int64_t piece = 0; piece < pieces; ++piece) {
      if (piece > 0) {
        Send(steps_[at], fmt::format("{} {}/{}", steps_[at].name, piece, pieces),
             exchanges ? CollectiveKind::kSend : CollectiveKind::kReduceScatter, way,
             /*runs_beside_next=*/true);
      }
      Multiply(steps_[i], piece, pieces);
    }
    if (exchanges) {
      cut_.push_back({.name = fmt::format("{} partial sums", steps_[at].name),
                      .work = Operation{MemoryBound{.kind = MemoryBoundKind::kResidualAdd,
                                                    .read = scatter->bytes,
                                                    .written = way,
                                                    .dtype = scatter->dtype}},
                      .part = steps_[i].part});
    } else {
      Send(steps_[at], fmt::format("{} {}/{}", steps_[at].name, pieces, pieces),
           CollectiveKind::kReduceScatter, way, /*runs_beside_next=*/false);
    }
    for (size_t between = i + 1; between < at; ++between) {
      cut_.push_back(steps_[between]);
    }
    return at + 1;
  }

  const std::vector<Step>& steps_;
  const int64_t tp_;
  const TensorOverlap& overlap_;
  std::vector<Step> cut_;
};

}  // namespace

std::vector<Step> InPieces(const std::vector<Step>& steps, const Layout& layout,
                           const TensorOverlap& overlap) {
  return layout.tp > 1 ? Cutter(steps, layout, overlap).Cut() : steps;
}

}  // namespace ridgeline::workloads
