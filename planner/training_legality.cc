#include "planner/training_legality.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "workloads/pipeline_chunks.h"

namespace ridgeline::planner {
namespace {

using workloads::ScheduleKind;

/// Walks the space as an odometer. No rule reads the two fastest axes, recomputation and sharding.
class Finder {
 public:
  Finder(const TrainingSpace& space, const Stop& stop)
      : space_(space),
        stop_(stop),
        model_(space.training().model),
        fast_(static_cast<int64_t>(space.recompute.size() * space.sharding.size())),
        per_ep_(static_cast<int64_t>(space.micro_batch.size()) * fast_),
        per_vpp_(static_cast<int64_t>(space.ep.size()) * per_ep_),
        per_pp_(static_cast<int64_t>(space.vpp.size()) * per_vpp_),
        per_tp_(static_cast<int64_t>(space.pp.size()) * per_pp_) {}

  Result<LegalPoints> Find() {
    for (const int64_t gpus : space_.gpus) {
      at_.gpus = gpus;
      for (const int64_t tp : space_.tp) {
        RETURN_IF_ERROR(stop_.Check());
        at_.tp = tp;
        VisitTp();
      }
    }
    RETURN_IF_ERROR(stop_.Check());
    found_.considered = next_;
    return std::move(found_);
  }

 private:
  void Refuse(int64_t candidates, const std::string& text) {
    next_ += candidates;
    found_.illegal += candidates;
    const auto [place, is_new] = reason_index_.try_emplace(text, found_.reasons.size());
    if (is_new) {
      found_.reasons.push_back({.text = text});
    }
    found_.reasons[place->second].candidates += candidates;
  }

  void VisitTp() {
    const std::optional<std::string>& broken = TensorRule(at_.tp);
    if (broken) {
      Refuse(per_tp_, *broken);
      return;
    }
    for (const int64_t pp : space_.pp) {
      at_.pp = pp;
      VisitPp();
    }
  }

  void VisitPp() {
    // Degrees are at most 2^20 each: no product overflows.
    const int64_t block = at_.tp * at_.pp * cp_;
    const std::string product = cp_ > 1 ? "tp x pp x cp" : "tp x pp";
    if (at_.gpus % block != 0) {
      Refuse(per_pp_, at_.gpus < block ? "one replica needs more GPUs than there are: " + product
                                       : product + " must divide the GPUs");
      return;
    }
    dp_ = at_.gpus / block;
    if (space_.dp && *space_.dp != dp_) {
      Refuse(per_pp_,
             fmt::format("{} x dp must be the number of GPUs: dp {}", product, *space_.dp));
      return;
    }
    if (space_.shard && dp_ * cp_ % *space_.shard != 0) {
      Refuse(per_pp_, fmt::format("sharding must divide dp x cp: shard {}", *space_.shard));
      return;
    }
    for (const int64_t vpp : space_.vpp) {
      if (stop_.IsRequested()) {
        return;  // Find says so
      }
      at_.vpp = vpp;
      const std::optional<std::string>& broken = PipelineRule();
      if (broken) {
        Refuse(per_vpp_, *broken);
        continue;
      }
      for (const int64_t ep : space_.ep) {
        at_.ep = ep;
        VisitEp();
      }
    }
  }

  void VisitEp() {
    if (at_.ep > 1 && (experts_ == 0 || experts_ % at_.ep != 0)) {
      Refuse(per_ep_,
             experts_ == 0
                 ? fmt::format("expert parallelism needs a model with experts: ep {}", at_.ep)
                 : fmt::format("expert parallelism must divide the experts: ep {}, {} "
                               "experts",
                               at_.ep, experts_));
      return;
    }
    const int64_t expert_tp = space_.etp.value_or(at_.tp);
    if (expert_tp != at_.tp && at_.tp * cp_ * dp_ % (expert_tp * at_.ep) != 0) {
      Refuse(per_ep_, "etp x ep must divide tp x cp x dp");
      return;
    }
    if (expert_tp == at_.tp && dp_ * cp_ % at_.ep != 0) {
      Refuse(per_ep_, cp_ > 1 ? "expert parallelism must divide dp x cp"
                              : "expert parallelism must divide dp");
      return;
    }
    if (space_.shard && at_.tp * *space_.shard % (expert_tp * at_.ep) != 0) {
      Refuse(per_ep_, fmt::format("ranks that share out states must hold all experts: shard {}",
                                  *space_.shard));
      return;
    }
    for (const int64_t micro_batch : space_.micro_batch) {
      at_.micro_batch = micro_batch;
      VisitMicroBatch();
    }
  }

  void VisitMicroBatch() {
    const int64_t batch = space_.training().global_batch;
    const int64_t sequences = dp_ * at_.micro_batch;
    if (batch % sequences != 0) {
      Refuse(fast_,
             fmt::format("dp x micro_batch must divide the global batch of {} sequences", batch));
      return;
    }
    const int64_t micro_batches = batch / sequences;
    if (Interleaves() && at_.vpp > 1 && micro_batches % at_.pp != 0) {
      Refuse(fast_, "interleaving needs micro-batches in multiples of pp");
      return;
    }
    if (space_.schedule == ScheduleKind::kDualPipe &&
        workloads::ScheduleRule(*space_.schedule, at_.pp, at_.vpp, micro_batches)) {
      Refuse(fast_, "dualpipe needs an even number of micro-batches, 2 x pp at least");
      return;
    }
    if (micro_batches > sim::kMaxScheduleSlots / (2 * at_.pp * at_.vpp)) {
      Refuse(fast_, "too many micro-batches in one step");
      return;
    }
    for (const workloads::Recompute recompute : space_.recompute) {
      for (const workloads::Sharding sharding : space_.sharding) {
        at_.recompute = recompute;
        at_.sharding = sharding;
        if (workloads::ShardsParameters(sharding) && space_.schedule &&
            workloads::SplitsBackward(*space_.schedule)) {
          Refuse(1, "parameters cut over ranks with weight gradients apart are not built yet");
          continue;
        }
        found_.points.push_back(
            {.settings = at_, .index = next_++, .dp = dp_, .micro_batches = micro_batches});
      }
    }
  }

  bool Interleaves() const {
    return space_.schedule.value_or(ScheduleKind::kInterleaved) == ScheduleKind::kInterleaved;
  }

  workloads::LayoutRequest Request() const {
    workloads::LayerPlacement placement = space_.training().framework.layer_placement();
    placement.stage_layers = space_.training().stage_layers;
    const workloads::Layout& layout = space_.training().layout;
    return {.parallelism = {.cp = layout.cp,
                            .context = {.exchange = layout.exchange, .inner = layout.context_inner},
                            .order = layout.order,
                            .sequence_parallel = space_.sequence_parallel},
            .gpus = 1,
            .gpus_per_node = space_.scenario.cluster.node.gpus,
            .global_batch = 1,
            .micro_batch = 1,
            .sequence_length = space_.training().sequence_length,
            .placement = std::move(placement),
            .interleaves = Interleaves()};
  }

  /// The rule that this tp breaks in any layout.
  const std::optional<std::string>& TensorRule(int64_t tp) {
    const auto [place, is_new] = tensor_rules_.try_emplace(tp);
    if (is_new) {
      workloads::LayoutRequest request = Request();
      request.parallelism.tp = tp;
      request.parallelism.etp = space_.etp;
      request.global_batch = space_.etp.value_or(1);
      request.gpus = tp * cp_ * request.global_batch;
      const auto layout = workloads::CheckLayout(model_, request);
      if (!layout) {
        place->second = layout.error().message;
      }
    }
    return place->second;
  }

  /// The rule that this pp and vpp break in any layout.
  const std::optional<std::string>& PipelineRule() {
    const auto [place, is_new] = pipeline_rules_.try_emplace(std::pair(at_.pp, at_.vpp));
    if (!is_new) {
      return place->second;
    }
    std::optional<std::string>& broken = place->second;
    workloads::LayoutRequest request = Request();
    request.parallelism.pp = at_.pp;
    request.parallelism.vpp = at_.vpp;
    request.gpus = at_.pp * cp_;
    request.global_batch = at_.pp;
    const int64_t layers = model_.num_layers();
    if (!workloads::CheckLayout(model_, request)) {
      broken = at_.vpp > 1 && at_.pp == 1
                   ? std::string("virtual stages need a pipeline: vpp above 1 with pp 1")
                   : fmt::format(
                         "pp x vpp must divide the layers: {}, or {} with embedding and "
                         "head in a layer's place each",
                         layers, layers + 2);
    } else if (space_.schedule == ScheduleKind::kInterleaved && at_.vpp < 2) {
      broken = "the interleaved schedule needs virtual stages: vpp 1";
    } else if (at_.vpp > 1 && (space_.schedule == ScheduleKind::kGPipe ||
                               space_.schedule == ScheduleKind::kOneForwardOneBackward)) {
      broken = fmt::format("virtual stages need the interleaved schedule: schedule {}",
                           Codec<ScheduleKind>::Write(*space_.schedule));
    } else if (space_.schedule == ScheduleKind::kZeroBubbleV && at_.vpp != 2) {
      broken = "the zb-v schedule holds two chunks a rank: vpp 2";
    } else if (space_.schedule == ScheduleKind::kZeroBubbleH1 && at_.vpp > 1) {
      broken = "the zb-h1 schedule holds one chunk a rank: vpp 1";
    } else if (space_.schedule == ScheduleKind::kDualPipe && (at_.vpp > 1 || at_.pp % 2 != 0)) {
      broken = "the dualpipe schedule needs an even pp and vpp 1";
    }
    return broken;
  }

  static int64_t Experts(const workloads::Model& model) {
    int64_t experts = 0;
    for (const workloads::Layer& layer : model.kinds) {
      if (layer.feed_forward.kind == workloads::FeedForwardKind::kMixture) {
        experts = std::gcd(experts, layer.feed_forward.experts);
      }
    }
    return experts;
  }

  const TrainingSpace& space_;
  const Stop& stop_;
  const workloads::Model& model_;
  const int64_t experts_ = Experts(model_);
  const int64_t cp_ = space_.training().layout.cp;
  // Candidates below one value of each axis.
  const int64_t fast_, per_ep_, per_vpp_, per_pp_, per_tp_;
  TrainingSettings at_;
  int64_t dp_ = 1;
  int64_t next_ = 0;  // in canonical order
  LegalPoints found_;
  std::map<std::string, size_t> reason_index_;
  std::map<int64_t, std::optional<std::string>> tensor_rules_;
  std::map<std::pair<int64_t, int64_t>, std::optional<std::string>> pipeline_rules_;
};

}  // namespace

Result<LegalPoints> FindLegalPoints(const TrainingSpace& space, const Stop& stop) {
  return Finder(space, stop).Find();
}

void ApplyPoint(const TrainingSpace& space, const TrainingPoint& point,
                sim::TrainingScenario& scenario) {
  const TrainingSettings& settings = point.settings;
  const workloads::Layout& base = space.training().layout;
  scenario.layout = {
      .tp = settings.tp,
      .pp = settings.pp,
      .vpp = settings.vpp,
      .cp = base.cp,
      .ep = settings.ep,
      .dp = point.dp,
      .etp = space.etp.value_or(0),
      .shard = space.shard.value_or(0),
      .exchange = base.exchange,
      .context_inner = base.context_inner,
      .order = base.order,
      .sequence_parallel = space.sequence_parallel.value_or(settings.tp > 1) && settings.tp > 1,
      .gpus_per_node = space.scenario.cluster.node.gpus};
  scenario.micro_batch = settings.micro_batch;
  scenario.micro_batches = point.micro_batches;
  scenario.recompute = settings.recompute;
  scenario.sharding = settings.sharding;
  scenario.schedule = space.schedule.value_or(
      settings.vpp > 1 ? ScheduleKind::kInterleaved : ScheduleKind::kOneForwardOneBackward);
  scenario.layout.model_copies =
      workloads::PipelineChunks{scenario.schedule, settings.pp, settings.vpp}.copies();
  scenario.reshard = space.reshard.value_or(settings.pp == 1);
}

}  // namespace ridgeline::planner
