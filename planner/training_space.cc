#include "planner/training_space.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"

namespace ridgeline::planner {
namespace {

using workloads::Recompute;
using workloads::Sharding;
using workloads::TrainingJob;

constexpr std::array<std::string_view, 8> kAxes = {
    "training.gpus",           "training.parallelism.tp",
    "training.parallelism.pp", "training.parallelism.vpp",
    "training.parallelism.ep", "training.micro_batch",
    "training.recompute",      "training.sharding"};

/// The value at `path`; nullptr when it is left out.
template <class N>
N* Find(N& root, std::string_view path) {
  N* node = &root;
  while (node != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    node = node->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return node;
}

/// Sets a key below maps that exist or are made.
void Set(Node& root, std::string_view path, Node value) {
  const size_t dot = path.find('.');
  const std::string key(path.substr(0, dot));
  if (dot == std::string_view::npos) {
    SetKey(root, key, std::move(value));
    return;
  }
  if (root.Find(key) == nullptr || !root.Find(key)->is_map()) {
    SetKey(root, key, MakeMap());
  }
  Set(*root.Find(key), path.substr(dot + 1), std::move(value));
}

void Erase(Node& root, std::string_view path) {
  const size_t dot = path.rfind('.');
  Node* const parent = Find(root, path.substr(0, dot));
  if (parent != nullptr) {
    std::erase_if(parent->entries,
                  [&](const Node::Entry& entry) { return entry.key == path.substr(dot + 1); });
  }
}

/// Errors of several readings of one document, each said once.
class DistinctErrors {
 public:
  void Add(Error error) {
    std::vector<Error> others = std::move(error.others);
    error.others.clear();
    if (seen_.insert(Key(error)).second) {
      diagnostics_.Add(std::move(error));
    }
    for (Error& other : others) {
      Add(std::move(other));
    }
  }
  Status Take() { return diagnostics_.Take(); }

 private:
  static std::string Key(const Error& error) {
    return error.where
               ? fmt::format("{}:{}:{}", error.where->line, error.where->column, error.message)
               : error.message;
  }
  std::set<std::string> seen_;
  Diagnostics diagnostics_;
};

/// The document with element `round` of every list (the last, of shorter ones) in the list's place.
Node TakeElements(const Node& document, size_t round) {
  Node taken = document;
  for (const std::string_view axis : kAxes) {
    Node* const value = Find(taken, axis);
    if (value != nullptr && value->is_list()) {
      Node element = value->items[std::min(round, value->items.size() - 1)];
      *value = std::move(element);
    }
  }
  return taken;
}

/// The document as one GPU would run it: legal for every model, so that all else resolves.
Node Placeholder(Node document, const TrainingJob& job) {
  const int64_t cp = job.parallelism.cp;
  Set(document, "training.gpus", MakeScalar(std::to_string(cp)));
  for (const std::string_view axis : {kAxes[1], kAxes[2], kAxes[3], kAxes[4], kAxes[5]}) {
    Set(document, axis, MakeScalar("1"));
  }
  for (const std::string_view rest :
       {"training.parallelism.dp", "training.parallelism.etp", "training.parallelism.shard"}) {
    Erase(document, rest);
  }
  if (job.schedule == workloads::ScheduleKind::kInterleaved ||
      job.schedule == workloads::ScheduleKind::kZeroBubbleV ||
      job.schedule == workloads::ScheduleKind::kDualPipe) {
    Erase(document, "training.schedule");
  }
  return document;
}

template <class T>
void Deduplicate(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

void AddDivisors(int64_t number, int64_t most, std::vector<int64_t>& divisors) {
  for (int64_t d = 1; d <= number / d; ++d) {
    if (number % d == 0) {
      for (const int64_t divisor : {d, number / d}) {
        if (divisor <= most) {
          divisors.push_back(divisor);
        }
      }
    }
  }
}

std::vector<int64_t> DivisorsOf(const std::vector<int64_t>& numbers, int64_t most) {
  std::vector<int64_t> divisors;
  for (const int64_t number : numbers) {
    AddDivisors(number, most, divisors);
  }
  Deduplicate(divisors);
  return divisors;
}

int64_t MostHeads(const workloads::Model& model) {
  int64_t heads = 1;
  for (const workloads::Layer& layer : model.kinds) {
    heads = std::max(heads, layer.mixer.heads);
  }
  return heads;
}

int64_t CommonExperts(const workloads::Model& model) {
  int64_t experts = 0;
  for (const workloads::Layer& layer : model.kinds) {
    if (layer.feed_forward.kind == workloads::FeedForwardKind::kMixture) {
      experts = std::gcd(experts, layer.feed_forward.experts);
    }
  }
  return std::max<int64_t>(1, experts);
}

class SpaceReader {
 public:
  SpaceReader(const Node& document, const hardware::Catalog& catalog)
      : document_(document), catalog_(catalog) {}

  Result<TrainingSpace> Read() {
    space_.document = document_;
    RETURN_IF_ERROR(CheckLists());
    RETURN_IF_ERROR(ReadElements());
    RETURN_IF_ERROR(CheckGpus());
    FillIn();
    RETURN_IF_ERROR(CheckSize());
    return std::move(space_);
  }

 private:
  bool IsWritten(std::string_view axis) const {
    const Node* const value = Find(document_, axis);
    return value != nullptr && !value->is_null();
  }

  bool IsList(std::string_view axis) const {
    const Node* const value = Find(document_, axis);
    return value != nullptr && value->is_list();
  }

  Status CheckLists() {
    DistinctErrors errors;
    for (const std::string_view axis : kAxes) {
      const Node* const value = Find(document_, axis);
      if (value == nullptr || !value->is_list()) {
        continue;
      }
      rounds_ = std::max(rounds_, value->items.size());
      if (value->items.empty()) {
        errors.Add({.code = ErrorCode::kInvalidArgument,
                    .message = "an empty list leaves nothing to choose from",
                    .where = value->where,
                    .hint = "name the choices, or leave the key out to search all",
                    .path = std::string(axis)});
      }
    }
    return errors.Take();
  }

  Status ReadElements() {
    DistinctErrors errors;
    for (size_t round = 0; round < rounds_; ++round) {
      const Node taken = TakeElements(document_, round);
      Result<sim::ScenarioDocument> written = Decode<sim::ScenarioDocument>(taken);
      if (!written) {
        errors.Add(std::move(written).error());
        continue;
      }
      if (!written->training) {
        // No space without a training block: the scenario's own words for it.
        RETURN_IF_ERROR(sim::ResolveScenario(taken, catalog_));
        return Fail({.code = ErrorCode::kInvalidArgument,
                     .message = "nothing to search: no training or serving block",
                     .where = document_.where,
                     .hint = "one pass has no choices yet: ridgeline simulate runs it, and "
                             "ridgeline whatif varies it"});
      }
      Keep(*written->training);
      if (round == 0 || IsList(kAxes[7])) {
        Result<sim::Scenario> resolved =
            sim::ResolveScenario(Placeholder(taken, *written->training), catalog_);
        if (!resolved) {
          errors.Add(std::move(resolved).error());
        } else {
          space_.scenario = *std::move(resolved);
        }
      }
    }
    return errors.Take();
  }

  void Keep(const TrainingJob& job) {
    const auto keep = [&](std::string_view axis, auto value, auto& values) {
      if (IsWritten(axis)) {
        values.push_back(value);
      }
    };
    if (job.gpus) {
      space_.gpus.push_back(*job.gpus);
    }
    keep(kAxes[1], job.parallelism.tp, space_.tp);
    keep(kAxes[2], job.parallelism.pp, space_.pp);
    keep(kAxes[3], job.parallelism.vpp, space_.vpp);
    keep(kAxes[4], job.parallelism.ep, space_.ep);
    keep(kAxes[5], job.micro_batch, space_.micro_batch);
    keep(kAxes[6], job.recompute, space_.recompute);
    if (job.sharding) {
      space_.sharding.push_back(*job.sharding);
    }
    space_.dp = job.parallelism.dp;
    space_.sequence_parallel = job.parallelism.sequence_parallel;
    space_.etp = job.parallelism.etp;
    space_.shard = job.parallelism.shard;
    space_.schedule = job.schedule;
    space_.reshard = job.reshard;
  }

  Status CheckGpus() {
    const hardware::Cluster& cluster = space_.scenario.cluster;
    if (space_.gpus.empty()) {
      space_.gpus.push_back(cluster.gpus());
    }
    DistinctErrors errors;
    const Node* const value = Find(document_, kAxes[0]);
    for (size_t i = 0; i < space_.gpus.size(); ++i) {
      const int64_t gpus = space_.gpus[i];
      if (gpus < 1 || gpus > cluster.gpus()) {
        const Node* const at = value != nullptr && value->is_list() && i < value->items.size()
                                   ? &value->items[i]
                                   : value;
        errors.Add({.code = ErrorCode::kInvalidArgument,
                    .message = gpus < 1 ? fmt::format("gpus must be at least 1: {}", gpus)
                                        : fmt::format("more GPUs than the cluster has: {} of {}",
                                                      gpus, cluster.gpus()),
                    .where = at != nullptr && at->where.source != nullptr ? std::optional(at->where)
                                                                          : std::nullopt,
                    .hint = fmt::format("use at most {}", cluster.gpus()),
                    .path = std::string(kAxes[0])});
      }
    }
    return errors.Take();
  }

  void FillIn() {
    const workloads::Model& model = space_.training().model;
    const int64_t layers = model.num_layers();
    Deduplicate(space_.gpus);
    const auto fill = [&](std::string_view axis, auto& values, auto all) {
      const Node* const value = Find(document_, axis);
      // Without experts there is nothing to search along ep.
      const bool is_trivial = axis == kAxes[4] && values.empty() && all.size() == 1;
      if (values.empty()) {
        values = std::move(all);
      }
      Deduplicate(values);
      const bool is_fixed = value != nullptr && !value->is_list() && !value->is_null();
      if (!is_fixed && !is_trivial) {
        space_.searched_paths.emplace_back(axis);
      }
    };
    if (IsList(kAxes[0])) {
      space_.searched_paths.emplace_back(kAxes[0]);
    }
    fill(kAxes[1], space_.tp, DivisorsOf(space_.gpus, MostHeads(model)));
    fill(kAxes[2], space_.pp, DivisorsOf(space_.gpus, layers + 2));
    fill(kAxes[3], space_.vpp, DivisorsOf({layers, layers + 2}, layers + 2));
    const int64_t experts = CommonExperts(model);
    fill(kAxes[4], space_.ep, DivisorsOf({experts}, experts));
    const int64_t batch = space_.training().global_batch;
    fill(kAxes[5], space_.micro_batch, DivisorsOf({batch}, batch));
    fill(kAxes[6], space_.recompute,
         std::vector{Recompute::kNone, Recompute::kSelective, Recompute::kFull});
    fill(kAxes[7], space_.sharding, std::vector{Sharding::kDdp, Sharding::kZero1});
  }

  Status CheckSize() const {
    double size = 1;
    for (const size_t choices : {space_.gpus.size(), space_.tp.size(), space_.pp.size(),
                                 space_.vpp.size(), space_.ep.size(), space_.micro_batch.size(),
                                 space_.recompute.size(), space_.sharding.size()}) {
      size *= static_cast<double>(choices);
    }
    if (size > static_cast<double>(kMaxCandidates)) {
      return Fail(
          {.code = ErrorCode::kOutOfRange,
           .message = fmt::format("too many candidates: {:.3g}, {} at most", size, kMaxCandidates),
           .hint = "restrict tp, pp, vpp or micro_batch with lists",
           .path = "training"});
    }
    return {};
  }

  const Node& document_;
  const hardware::Catalog& catalog_;
  size_t rounds_ = 1;
  TrainingSpace space_;
};

std::string TextOf(std::string_view axis, const TrainingSettings& settings) {
  const std::array<int64_t, 6> numbers = {settings.gpus, settings.tp, settings.pp,
                                          settings.vpp,  settings.ep, settings.micro_batch};
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (axis == kAxes.at(i)) {
      return std::to_string(numbers.at(i));
    }
  }
  return axis == kAxes[6] ? Codec<Recompute>::Write(settings.recompute)
                          : Codec<Sharding>::Write(settings.sharding);
}

}  // namespace

Result<TrainingSpace> ReadTrainingSpace(const Node& document, const hardware::Catalog& catalog) {
  return SpaceReader(document, catalog).Read();
}

std::map<std::string, std::string> SettingsText(const TrainingSpace& space,
                                                const TrainingSettings& settings) {
  std::map<std::string, std::string> text;
  for (const std::string& path : space.searched_paths) {
    text[path] = TextOf(path, settings);
  }
  return text;
}

std::vector<std::string> ChoicesText(const TrainingSpace& space) {
  std::vector<std::string> lines;
  for (const std::string& path : space.searched_paths) {
    std::vector<std::string> words;
    const auto add = [&](size_t axis, const std::vector<int64_t>& values) {
      if (path == kAxes.at(axis)) {
        for (const int64_t value : values) {
          words.push_back(std::to_string(value));
        }
      }
    };
    add(0, space.gpus);
    add(1, space.tp);
    add(2, space.pp);
    add(3, space.vpp);
    add(4, space.ep);
    add(5, space.micro_batch);
    if (path == kAxes[6]) {
      for (const Recompute value : space.recompute) {
        words.push_back(Codec<Recompute>::Write(value));
      }
    } else if (path == kAxes[7]) {
      for (const Sharding value : space.sharding) {
        words.push_back(Codec<Sharding>::Write(value));
      }
    }
    lines.push_back(fmt::format("{}: {}", path, fmt::join(words, ", ")));
  }
  return lines;
}

Node DocumentOf(const TrainingSpace& space, const TrainingSettings& settings) {
  Node document = space.document;
  for (const std::string& path : space.searched_paths) {
    Set(document, path, MakeScalar(TextOf(path, settings)));
  }
  return document;
}

}  // namespace ridgeline::planner
