#include "planner/validation/collective_folds.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/percentile.h"
#include "hardware/collective_library.h"
#include "planner/validation/collective_groups.h"
#include "planner/validation/score.h"
#include "sim/network/collective_plan.h"
#include "sim/network/fit_collectives.h"

namespace ridgeline::validation {
namespace {

using hardware::Cluster;
using hardware::CollectiveCorrections;
using hardware::CollectiveLibrary;
using hardware::ErrorBand;

constexpr double kRangeTail = 0.05;
constexpr std::array<double, 3> kBands = {0, 65536 + 1, 4 * 1024 * 1024 + 1};  // bytes, from

/// A measured point on its cluster, with what the fit needs of it.
struct Point {
  const MeasuredCollective* measured = nullptr;
  std::shared_ptr<const Cluster> cluster;
  network::FitPoint fit;

  bool is_one_node() const { return fit.is_one_node; }
  int64_t ranks() const { return measured->collective.group.ranks; }
};
using Points = std::vector<const Point*>;

class Clusters {
 public:
  explicit Clusters(const hardware::Catalog& catalog) : catalog_(catalog) {}

  Result<std::shared_ptr<const Cluster>> Of(const std::string& name, int64_t nodes) {
    auto& cluster = found_[{name, nodes}];
    if (cluster == nullptr) {
      ASSIGN_OR_RETURN(
          Cluster resolved,
          catalog_.ResolveCluster({.name = name, .inline_map = {}, .where = {}, .path = {}}));
      resolved.nodes = std::max(nodes, resolved.nodes);
      cluster = std::make_shared<const Cluster>(std::move(resolved));
    }
    return cluster;
  }

 private:
  const hardware::Catalog& catalog_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<const Cluster>> found_;
};

CollectiveCorrections None(const CollectiveLibrary& library) {
  CollectiveCorrections none;
  none.reference = library.corrections.reference;
  none.measured_on = library.corrections.measured_on;
  return none;
}

std::shared_ptr<const CollectiveLibrary> With(const CollectiveLibrary& library,
                                              CollectiveCorrections corrections) {
  CollectiveLibrary changed = library;
  changed.corrections = std::move(corrections);
  return std::make_shared<const CollectiveLibrary>(std::move(changed));
}

/// Predicts with other corrections than the shipped ones.
class Predictor {
 public:
  Predictor(const CollectiveLibrary& library, CollectiveCorrections corrections)
      : library_(With(library, std::move(corrections))) {}

  Seconds TimeOf(const Point& point) const {
    Cluster cluster = *point.cluster;
    cluster.collectives = library_;
    const Seconds time = network::PlanOf(point.measured->collective, cluster).time();
    return point.measured->is_launched_alone ? time + library_->corrections.launch : time;
  }
  /// Measured over predicted.
  double RatioOf(const Point& point) const { return point.measured->time / TimeOf(point); }

 private:
  std::shared_ptr<const CollectiveLibrary> library_;
};

size_t BandOf(Bytes size) {
  size_t band = 0;
  while (band + 1 < kBands.size() && size.base() >= kBands[band + 1]) {
    ++band;
  }
  return band;
}

/// Ratios of points that no constant had seen, by band of size.
struct Ratios {
  std::array<std::vector<double>, kBands.size()> in_band;

  void Add(const Point& point, double ratio) {
    in_band[BandOf(point.measured->collective.bytes)].push_back(ratio);
  }
  void Add(const Ratios& other) {
    for (size_t i = 0; i < kBands.size(); ++i) {
      in_band[i].insert(in_band[i].end(), other.in_band[i].begin(), other.in_band[i].end());
    }
  }
  std::vector<ErrorBand> Bands() const {
    std::vector<ErrorBand> bands;
    for (size_t i = 0; i < kBands.size(); ++i) {
      std::vector<double> ratios = in_band[i];
      if (ratios.size() >= 10) {
        bands.push_back({.from = Bytes::FromBase(bands.empty() ? 0.0 : kBands[i]),
                         .low = std::min(1.0, ExactQuantile(ratios, kRangeTail)),
                         .high = std::max(1.0, ExactQuantile(ratios, 1 - kRangeTail))});
      }
    }
    return bands;
  }
};

struct Fold {
  std::string name;
  Points fitted;
  Points held_out;
  CollectiveCorrections corrections;
  Ratios ratios;  // of the points held out
};

std::vector<network::FitPoint> FitPointsOf(const Points& points) {
  std::vector<network::FitPoint> fit;
  for (const Point* point : points) {
    fit.push_back(point->fit);
  }
  return fit;
}

Fold FoldOf(std::string name, const std::vector<Point>& points, const CollectiveLibrary& library,
            const std::function<bool(const Point&)>& takes_part,
            const std::function<bool(const Point&)>& is_held_out) {
  Fold fold{.name = std::move(name),
            .fitted = {},
            .held_out = {},
            .corrections = None(library),
            .ratios = {}};
  for (const Point& point : points) {
    if (takes_part(point)) {
      (is_held_out(point) ? fold.held_out : fold.fitted).push_back(&point);
    }
  }
  network::FitCorrections(FitPointsOf(fold.fitted), fold.corrections);
  const Predictor predictor(library, fold.corrections);
  for (const Point* point : fold.held_out) {
    if (point->measured->source != CollectiveSource::kForced) {
      fold.ratios.Add(*point, predictor.RatioOf(*point));
    }
  }
  return fold;
}

CaseOutcome CaseOf(const Fold& fold, const Point& point, bool is_held_out,
                   const Predictor& predictor, const std::vector<ErrorBand>& bands) {
  const MeasuredCollective& measured = *point.measured;
  const double volume = BusFactor(measured.collective) * measured.collective.bytes.base();
  const Seconds time = predictor.TimeOf(point);
  double low = 1;
  double high = 1;
  for (const ErrorBand& band : bands) {
    if (!(measured.collective.bytes < band.from)) {
      low = band.low;
      high = band.high;
    }
  }
  return {.id = fmt::format("{}: {}", fold.name, measured.id),
          .group = fold.name,
          .metric = "busbw",
          .measured = volume / measured.time.base(),
          .predicted = volume / time.base(),
          .low = volume / (time.base() * high),
          .high = volume / (time.base() * low),
          .evidence = Evidence::kAnalytic,
          .is_held_out = is_held_out,
          .is_rate = true,
          .tags = CollectiveTags(measured)};
}

void AddCases(const Fold& fold, const CollectiveLibrary& library,
              const std::vector<ErrorBand>& bands, SuiteOutcome& suite) {
  const Predictor predictor(library, fold.corrections);
  for (const bool is_held_out : {false, true}) {
    for (const Point* point : is_held_out ? fold.held_out : fold.fitted) {
      if (is_held_out && point->measured->source == CollectiveSource::kForced) {
        continue;  // what NCCL would not choose is fitted to, and not judged
      }
      suite.cases.push_back(CaseOf(fold, *point, is_held_out, predictor, bands));
    }
  }
}

bool IsOneNodeOfNccl(const Point& point) {
  return point.measured->source == CollectiveSource::kTable ||
         (point.measured->source == CollectiveSource::kForced &&
          point.measured->collective.algorithm == CollectiveAlgorithm::kRing);
}

bool IsPublishedOverNodes(const Point& point) {
  return point.measured->source == CollectiveSource::kPublished && !point.is_one_node();
}

bool IsEngines(const Point& point) {
  return point.measured->source == CollectiveSource::kEngine &&
         point.measured->from != "TensorRT-LLM";
}

/// Folds of one node: four GPUs, each GPU in turn; each earns its ranges from the others.
std::vector<Fold> OneNodeFolds(const std::vector<Point>& points, const CollectiveLibrary& library) {
  std::vector<Fold> folds;
  folds.push_back(FoldOf("4 GPUs", points, library, IsOneNodeOfNccl,
                         [](const Point& point) { return point.ranks() == 4; }));
  std::set<std::string> gpus;
  for (const Point& point : points) {
    if (point.measured->source == CollectiveSource::kTable) {
      gpus.insert(point.measured->gpu);
    }
  }
  for (const std::string& gpu : gpus) {
    folds.push_back(FoldOf(gpu, points, library, IsOneNodeOfNccl,
                           [&gpu](const Point& point) { return point.measured->gpu == gpu; }));
  }
  return folds;
}

/// Even rows, each quarter held out by the others: errors that ranges over nodes are earned from.
Ratios RatiosOfEvenRows(const std::vector<Point>& points, const CollectiveLibrary& library) {
  Ratios ratios;
  for (int quarter = 0; quarter < 4; ++quarter) {
    const Fold fold = FoldOf(
        "even rows", points, library,
        [](const Point& point) {
          return IsPublishedOverNodes(point) && !point.measured->is_held_out;
        },
        [quarter](const Point& point) { return point.measured->quarter == quarter; });
    ratios.Add(fold.ratios);
  }
  return ratios;
}

/// What a launch adds: the median over the fitted rows of what the time in a graph leaves.
Seconds LaunchOf(const Points& points, const CollectiveLibrary& library,
                 const CollectiveCorrections& corrections) {
  const Predictor predictor(library, corrections);
  std::vector<double> left;
  for (const Point* point : points) {
    if (point->measured->is_launched_alone && BandOf(point->measured->collective.bytes) < 2) {
      left.push_back((point->measured->time - predictor.TimeOf(*point)).base());
    }
  }
  return left.empty() ? Seconds{}
                      : std::max(Seconds{}, Seconds::FromBase(ExactQuantile(left, 0.5)));
}

CaseOutcome Unplaced(const MeasuredCollective& measured) {
  const bool has_size = Bytes{} < measured.collective.bytes;
  return {.id = measured.id,
          .group = "not placed",
          .metric = "busbw",
          .skip = SkipKind::kNotStated,
          .reason = has_size ? "no cluster described for " + measured.gpu + " there"
                             : "the source names no size"};
}

}  // namespace

Result<CollectiveFolds> EvaluateCollectives(const MeasuredCollectives& measured,
                                            const hardware::Catalog& catalog) {
  CollectiveFolds out;
  out.suite = {.name = measured.name, .source = measured.source};
  Clusters clusters(catalog);
  std::vector<Point> points;
  for (const MeasuredCollective& one : measured.points) {
    if (one.cluster.empty()) {
      out.suite.cases.push_back(Unplaced(one));
      continue;
    }
    const RankGroup& group = one.collective.group;
    const int64_t nodes = (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
    ASSIGN_OR_RETURN(const std::shared_ptr<const Cluster> cluster, clusters.Of(one.cluster, nodes));
    if (const Status can = network::CheckPlan(one.collective, *cluster); !can) {
      return Fail(can.error());
    }
    points.push_back(
        {.measured = &one,
         .cluster = cluster,
         .fit = network::PointOf(one.collective, network::LinksOf(*cluster, group), one.time)});
  }
  if (points.empty()) {
    return InvalidArgument("the suite has no point on a cluster of the catalog");
  }
  const CollectiveLibrary& library = *points.front().cluster->collectives;

  const std::vector<Fold> folds = OneNodeFolds(points, library);
  Ratios all;
  for (const Fold& fold : folds) {
    Ratios others;
    for (const Fold& other : folds) {
      if (&other != &fold) {
        others.Add(other.ratios);
      }
    }
    all.Add(fold.ratios);
    AddCases(fold, library, others.Bands(), out.suite);
  }

  const Fold engines = FoldOf("engines", points, library, IsEngines,
                              [](const Point& point) { return point.ranks() == 4; });
  AddCases(engines, library, all.Bands(), out.suite);

  const Fold nodes = FoldOf("nodes", points, library, IsPublishedOverNodes,
                            [](const Point& point) { return point.measured->is_held_out; });
  const std::vector<ErrorBand> nodes_bands = RatiosOfEvenRows(points, library).Bands();
  AddCases(nodes, library, nodes_bands, out.suite);

  // Shipped: everything on one node, the even rows over nodes.
  const Fold shipped = FoldOf(
      "shipped", points, library,
      [](const Point& point) {
        return IsOneNodeOfNccl(point) || IsEngines(point) || IsPublishedOverNodes(point);
      },
      [](const Point& point) {
        return IsPublishedOverNodes(point) && point.measured->is_held_out;
      });
  out.shipped = shipped.corrections;
  out.shipped.one_node_errors = all.Bands();
  out.shipped.nodes_errors = nodes_bands;

  // Published rows of one node, with and without a launch, by the shipped factors.
  Fold launch{.name = "published, one node",
              .fitted = {},
              .held_out = {},
              .corrections = out.shipped,
              .ratios = {}};
  for (const Point& point : points) {
    if (point.measured->source == CollectiveSource::kPublished && point.is_one_node()) {
      (point.measured->is_held_out ? launch.held_out : launch.fitted).push_back(&point);
    }
  }
  launch.corrections.launch = LaunchOf(launch.fitted, library, out.shipped);
  out.shipped.launch = launch.corrections.launch;
  AddCases(launch, library, all.Bands(), out.suite);

  out.suite.is_by_metric = true;
  out.suite.has_halves = false;
  out.suite.lists_cases = false;
  Summarise(out.suite);
  out.suite.groups = CollectiveGroups(out.suite, measured.peers);
  return out;
}

}  // namespace ridgeline::validation
