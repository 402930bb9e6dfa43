#include "sim/training/recompute_choice.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "sim/training/training_memory.h"
#include "workloads/pipeline_chunks.h"

namespace ridgeline::training {
namespace {

/// A sum over the layers so far, and how it came about.
struct Sum {
  Bytes kept;
  engine::Picoseconds time = 0;
  size_t before = 0;  // of the sums without the last layer
  size_t option = 0;  // of the last layer
};

/// Fastest first, each keeping less than the one before.
void KeepUndominated(std::vector<Sum>& sums) {
  std::sort(sums.begin(), sums.end(), [](const Sum& a, const Sum& b) {
    return a.time != b.time ? a.time < b.time : a.kept < b.kept;
  });
  size_t count = 0;
  for (const Sum& sum : sums) {
    if (count == 0 || sum.kept < sums[count - 1].kept) {
      sums[count++] = sum;
    }
  }
  if (count > kMostPlans) {
    for (size_t i = 0; i < kMostPlans; ++i) {
      sums[i] = sums[i * (count - 1) / (kMostPlans - 1)];
    }
    count = kMostPlans;
  }
  sums.resize(count);
}

engine::Picoseconds AddedTime(const CostedLayer& variant, const CostedLayer& plain) {
  return variant.backward.total[Bound::kMean] - plain.backward.total[Bound::kMean];
}

/// The layers of each pipeline rank that have variants: chunk and position, bottom to top, by the
/// layer that they are.
struct Place {
  size_t chunk = 0;
  size_t position = 0;
};
using PlacesOfRank = std::map<size_t, std::vector<Place>>;

std::vector<PlacesOfRank> PlacesOf(const sim::TrainingScenario& training, const LayerCosts& layers,
                                   const std::vector<ChunkCosts>& chunks) {
  const workloads::PipelineChunks pipeline = ChunksOf(training);
  std::vector<PlacesOfRank> places(static_cast<size_t>(training.layout.pp));
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    const auto rank = static_cast<size_t>(pipeline.RankOf(static_cast<int64_t>(chunk)));
    for (size_t position = 0; position < chunks[chunk].layers.size(); ++position) {
      const size_t layer = chunks[chunk].layers[position];
      if (layer < layers.variants.size() && !layers.variants[layer].empty()) {
        places[rank][layer].push_back({chunk, position});
      }
    }
  }
  return places;
}

std::vector<LikeLayers> GroupsOf(const LayerCosts& layers, const PlacesOfRank& places) {
  std::vector<LikeLayers> groups;
  for (const auto& [layer, where] : places) {
    LikeLayers group{.count = static_cast<int64_t>(where.size()), .options = {}};
    for (const size_t variant : layers.variants[layer]) {
      group.options.push_back({.kept = layers.layers[variant].saved_activations,
                               .time = AddedTime(layers.layers[variant], layers.layers[layer])});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

/// The lowest layers, which wait longest for their backward, keep least.
void Apply(const LayerCosts& layers, const PlacesOfRank& places, const RecomputePlan& plan,
           std::vector<ChunkCosts>& chunks) {
  size_t group = 0;
  for (const auto& [layer, where] : places) {
    const std::vector<size_t>& variants = layers.variants[layer];
    std::vector<size_t> by_kept(variants.size());
    for (size_t i = 0; i < by_kept.size(); ++i) {
      by_kept[i] = i;
    }
    std::stable_sort(by_kept.begin(), by_kept.end(), [&](size_t a, size_t b) {
      return layers.layers[variants[a]].saved_activations <
             layers.layers[variants[b]].saved_activations;
    });
    size_t next = 0;
    for (const size_t option : by_kept) {
      for (int64_t i = 0; i < plan.counts[group][option]; ++i) {
        const Place& place = where[next++];
        chunks[place.chunk].layers[place.position] = variants[option];
      }
    }
    ++group;
  }
}

Status ChooseFastest(const sim::TrainingScenario& training, const LayerCosts& layers,
                     std::vector<ChunkCosts>& chunks) {
  const std::vector<PlacesOfRank> places = PlacesOf(training, layers, chunks);
  std::vector<std::vector<RecomputePlan>> plans;
  for (const PlacesOfRank& of_rank : places) {
    plans.push_back(UndominatedPlans(GroupsOf(layers, of_rank)));
  }
  const Bytes budget = training.recompute_detail.budget.value_or(layers.memory);
  // Halving on every rank at once: the first plan that fits lies in [low, high].
  std::vector<size_t> low(plans.size(), 0);
  std::vector<size_t> high;
  for (const std::vector<RecomputePlan>& of_rank : plans) {
    high.push_back(of_rank.size() - 1);
  }
  const auto apply = [&](const std::vector<size_t>& which, std::vector<ChunkCosts> to) {
    for (size_t rank = 0; rank < plans.size(); ++rank) {
      Apply(layers, places[rank], plans[rank][which[rank]], to);
    }
    return to;
  };
  while (low != high) {
    std::vector<size_t> middle(plans.size());
    for (size_t rank = 0; rank < plans.size(); ++rank) {
      middle[rank] = low[rank] + (high[rank] - low[rank]) / 2;
    }
    const std::vector<ChunkCosts> tried = apply(middle, chunks);
    ASSIGN_OR_RETURN(const std::vector<MemoryUse> uses,
                     CountMemory(training, StageView(layers.layers, tried, {})));
    for (size_t rank = 0; rank < plans.size(); ++rank) {
      const bool fits = PeakOf(uses[rank].allocated(), training) <= budget;
      if (fits) {
        high[rank] = middle[rank];
      } else {
        low[rank] = std::min(middle[rank] + 1, high[rank]);
      }
    }
  }
  chunks = apply(low, std::move(chunks));
  return {};
}

}  // namespace

std::vector<RecomputePlan> UndominatedPlans(std::span<const LikeLayers> groups) {
  std::vector<std::vector<Sum>> sums = {{Sum{}}};
  for (const LikeLayers& group : groups) {
    for (int64_t layer = 0; layer < group.count; ++layer) {
      std::vector<Sum> next;
      next.reserve(sums.back().size() * group.options.size());
      for (size_t before = 0; before < sums.back().size(); ++before) {
        const Sum& sum = sums.back()[before];
        for (size_t option = 0; option < group.options.size(); ++option) {
          next.push_back({.kept = sum.kept + group.options[option].kept,
                          .time = sum.time + group.options[option].time,
                          .before = before,
                          .option = option});
        }
      }
      KeepUndominated(next);
      sums.push_back(std::move(next));
    }
  }
  std::vector<RecomputePlan> plans;
  for (const Sum& last : sums.back()) {
    RecomputePlan plan{.kept = last.kept, .time = last.time, .counts = {}};
    for (const LikeLayers& group : groups) {
      plan.counts.emplace_back(group.options.size(), 0);
    }
    const Sum* sum = &last;
    size_t stage = sums.size() - 1;
    for (size_t group = groups.size(); group-- > 0;) {
      for (int64_t layer = 0; layer < groups[group].count; ++layer) {
        ++plan.counts[group][sum->option];
        sum = &sums[--stage][sum->before];
      }
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

void AddVariants(const sim::TrainingScenario& training, std::vector<CostedLayer> variants,
                 LayerCosts& costs) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < variants.size(); ++i) {
    const bool is_beaten =
        training.recompute == workloads::Recompute::kOptimal && i > 0 &&
        std::any_of(variants.begin(), variants.end(), [&](const CostedLayer& other) {
          const engine::Picoseconds mine = AddedTime(variants[i], variants[0]);
          const engine::Picoseconds theirs = AddedTime(other, variants[0]);
          const bool is_same =
              mine == theirs && other.saved_activations == variants[i].saved_activations;
          return is_same
                     ? &other < &variants[i]
                     : theirs <= mine && other.saved_activations <= variants[i].saved_activations;
        });
    if (!is_beaten) {
      kept.push_back(i);
    }
  }
  const size_t first = costs.layers.size();
  for (const size_t i : kept) {
    costs.layers.push_back(std::move(variants[i]));
  }
  if (kept.size() > 1) {
    costs.variants.resize(first + 1);
    for (size_t i = 0; i < kept.size(); ++i) {
      costs.variants[first].push_back(first + i);
    }
  }
}

Status ChooseVariants(const sim::TrainingScenario& training, const LayerCosts& layers,
                      std::vector<ChunkCosts>& chunks) {
  if (layers.variants.empty()) {
    return {};
  }
  if (training.recompute == workloads::Recompute::kOptimal) {
    return ChooseFastest(training, layers, chunks);
  }
  for (ChunkCosts& chunk : chunks) {
    int64_t left = training.recompute_detail.layers.value_or(0);
    for (size_t& layer : chunk.layers) {
      if (left > 0 && layer < layers.variants.size() && !layers.variants[layer].empty()) {
        layer = layers.variants[layer].back();
        --left;
      }
    }
  }
  return {};
}

std::string DescribeChoice(const sim::TrainingScenario& training, const StageView& stages) {
  const workloads::PipelineChunks pipeline = ChunksOf(training);
  std::vector<std::map<std::string, int64_t>> counts(static_cast<size_t>(training.layout.pp));
  for (size_t chunk = 0; chunk < stages.chunks.size(); ++chunk) {
    const auto rank = static_cast<size_t>(pipeline.RankOf(static_cast<int64_t>(chunk)));
    for (const size_t layer : stages.chunks[chunk].layers) {
      if (stages.layers[layer].is_decoder) {
        ++counts[rank][stages.layers[layer].name];
      }
    }
  }
  std::string text;
  for (size_t first = 0, end = 0; first < counts.size(); first = end) {
    end = first + 1;
    while (end < counts.size() && counts[end] == counts[first]) {
      ++end;
    }
    text += text.empty() ? "" : "; ";
    text += end - first == 1 ? fmt::format("rank {}:", first)
                             : fmt::format("ranks {} to {}:", first, end - 1);
    std::string separator = " ";
    for (const auto& [name, count] : counts[first]) {
      text += fmt::format("{}{} {}", separator, count, name);
      separator = ", ";
    }
  }
  return text;
}

}  // namespace ridgeline::training
