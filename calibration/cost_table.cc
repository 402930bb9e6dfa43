#include "calibration/cost_table.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "calibration/boosted_fit.h"
#include "calibration/tree_inputs.h"
#include "calibration/whereabouts.h"

namespace ridgeline::calibration {
namespace {

constexpr std::array<double, kNumBands - 1> kBandEdges = {1e-5, 1e-4, 1e-3};
constexpr std::array<std::string_view, kNumBands> kBandNames = {"below 10 us", "10 to 100 us",
                                                                "100 us to 1 ms", "above 1 ms"};

}  // namespace

size_t BandOf(Seconds time) {
  return static_cast<size_t>(std::upper_bound(kBandEdges.begin(), kBandEdges.end(), time.base()) -
                             kBandEdges.begin());
}

std::string_view BandName(size_t band) { return kBandNames.at(band); }

std::string TableTitle(const FittedTable& table) {
  std::string title = std::visit(
      [](const auto& op) -> std::string {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, Attention>) {
          return fmt::format(
              "attention {}{}{} {}{}", op.phase == AttentionPhase::kDecode ? "decode" : "prefill",
              op.pass == AttentionPass::kBackward ? " backward" : "",
              op.kernel == AttentionKernel::kNaive ? " naive" : "", DTypeName(op.dtype),
              op.phase == AttentionPhase::kPrefill && !op.causal ? " full" : "");
        } else if constexpr (std::is_same_v<Op, MixtureLayer>) {
          return fmt::format("moe {}", DTypeName(op.dtype));
        } else if constexpr (std::is_same_v<Op, Collective>) {
          return fmt::format("{} {}", CollectiveName(op.kind), DTypeName(op.dtype));
        } else if constexpr (std::is_same_v<Op, OtherOperation>) {
          return op.name;
        } else {
          std::string name = fmt::format("{} {}", OperationName(op), DTypeName(op.dtype));
          if constexpr (std::is_same_v<Op, Gemm>) {
            name += op.accumulates ? " accumulating" : "";
          } else if constexpr (std::is_same_v<Op, GroupedGemm>) {
            name += op.weight_gradient ? " weight gradient" : "";
          }
          return name;
        }
      },
      table.pattern);
  const Condition steady;
  const auto add = [&title](auto value, auto usual) {
    title += value == usual ? "" : " " + std::string(Name(value));
  };
  add(table.condition.clock, steady.clock);
  add(table.condition.launch, steady.launch);
  add(table.condition.cache, steady.cache);
  add(table.condition.layout, steady.layout);
  title += table.variant.empty() ? "" : " (" + table.variant + ")";
  return title;
}

std::shared_ptr<const Prior> PriorOf(const FittedTable& table) {
  if (table.residuals.empty()) {
    return nullptr;
  }
  return std::make_shared<Prior>(Prior{.pattern = table.pattern,
                                       .condition = table.condition,
                                       .rates = table.rates,
                                       .residuals = table.residuals,
                                       .prior = table.prior});
}

/// The same trees for another machine's multiprocessors and rates.
std::shared_ptr<const Prior> OnGpu(const std::shared_ptr<const Prior>& prior,
                                   const hardware::Gpu& gpu) {
  if (prior == nullptr) {
    return nullptr;
  }
  auto moved = std::make_shared<Prior>(*prior);
  moved->rates = RatesOf(gpu, prior->pattern);
  moved->prior = OnGpu(prior->prior, gpu);
  return moved;
}

struct CostTable::Search {
  MachineRates rates;
  double transfer_error = 0;
  size_t num_inputs = 0;
  std::once_flag once;
  std::optional<Whereabouts> whereabouts;
  std::optional<LocalModel> local;  // where the table needs it

  void Build(const FittedTable& table) {
    std::call_once(once, [&] {
      std::vector<Features> features(table.shapes.size());
      for (size_t i = 0; i < features.size(); ++i) {
        features[i] = FeaturesOf(WithShape(table.pattern, table.shapes[i]), table.rates);
      }
      whereabouts.emplace(features);
      if (table.local_share > 0) {
        local.emplace(features, table.log_times, table.errors, table.settings);
      }
    });
  }
};

CostTable::CostTable(FittedTable table, const hardware::Gpu& gpu, double transfer_error)
    : table_(std::make_unique<FittedTable>(std::move(table))), search_(std::make_unique<Search>()) {
  search_->rates = RatesOf(gpu, table_->pattern);
  search_->transfer_error = transfer_error;
  search_->num_inputs = NumInputs(table_->pattern);
  if (transfer_error > 0) {
    table_->prior = OnGpu(table_->prior, gpu);
  }
}
CostTable::~CostTable() = default;
CostTable::CostTable(CostTable&&) noexcept = default;
CostTable& CostTable::operator=(CostTable&&) noexcept = default;

CostTable::Place CostTable::PlaceOf(const TimedOperation& operation) const {
  search_->Build(*table_);
  Place place{.features = FeaturesOf(operation, search_->rates)};
  place.beyond = search_->whereabouts->OctavesOutside(place.features);
  if (place.beyond == 0) {  // in the box, perhaps in a hole
    const double distance =
        search_->whereabouts->Nearest(place.features, table_->farthest).distance;
    place.beyond = std::max(distance - table_->farthest, 0.0);
  }
  return place;
}

Cost CostTable::CostAt(const TimedOperation& operation, const Place& place) const {
  const Features& features = place.features;
  const Shape shape = ShapeOf(operation);
  const double share = table_->local_share;
  double log_time = 0;
  double typical = 0;
  if (share > 0) {
    const Estimate estimate = search_->local->At(features);
    log_time = share * estimate.log_time;
    typical = TypicalError(table_->error_law, estimate);
  }
  if (!table_->root_errors.empty()) {
    Inputs inputs = InputsOf(operation, search_->rates, features);
    typical = TypicalError(table_->root_errors, inputs);
    if (share < 1) {
      log_time += (1 - share) * (LogPhysics(table_->settings.physics, features) +
                                 ResidualOn(table_->prior.get(), table_->residuals, inputs,
                                            search_->num_inputs, shape));
    }
  }
  if (place.beyond > 0) {
    // Trees ask about one size at a time and know nothing of a corner where no row is: away from
    // the rows physics goes on from the nearest one instead.
    const auto row = static_cast<size_t>(search_->whereabouts->Nearest(features).row);
    const Features nearest =
        FeaturesOf(WithShape(table_->pattern, table_->shapes[row]), table_->rates);
    const Physics& physics = table_->settings.physics;
    const double held =
        LogPhysics(physics, features) + table_->log_times[row] - LogPhysics(physics, nearest);
    log_time += std::min(place.beyond, 1.0) * (held - log_time);
  }
  Evidence evidence = Evidence::kInterpolated;
  double wider = 0;
  if (search_->transfer_error > 0 || place.beyond > 0) {
    evidence = Evidence::kExtrapolated;
    wider = table_->error_per_octave * place.beyond + search_->transfer_error;
  } else if (const auto row = std::lower_bound(table_->shapes.begin(), table_->shapes.end(), shape);
             row != table_->shapes.end() && *row == shape) {
    log_time = table_->log_times[static_cast<size_t>(row - table_->shapes.begin())];
    evidence = Evidence::kMeasured;
  }
  const Seconds mean = Seconds::FromBase(std::exp(log_time));
  const ErrorScale& scale = table_->error_scales[BandOf(mean)];
  return {.mean = mean,
          .low = mean * std::exp(-scale.below * typical - wider),
          .high = mean * std::exp(scale.above * typical + wider),
          .evidence = evidence};
}

}  // namespace ridgeline::calibration
