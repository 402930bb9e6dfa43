#include "hardware/fabric_classes.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <boost/pending/disjoint_sets.hpp>
#include <fmt/format.h>

namespace ridgeline::hardware {
namespace {

/// As people compare capacities: to four digits.
std::string Rounded(const SideTotals& side) {
  return fmt::format("{}/{:.4g}", side.cables, side.peak.base());
}

class Classifier {
 public:
  Classifier(const FabricGraph& graph, bool is_each_alone)
      : graph_(graph), is_each_alone_(is_each_alone) {}

  FabricClasses Classify() {
    FindTotals();
    FindPods();
    ClassSwitches();
    ClassNodes();
    LinkClasses();
    return std::move(classes_);
  }

 private:
  struct Totals {
    SideTotals down;
    SideTotals up;
    SideTotals across;
  };

  size_t Index(int32_t vertex) const { return static_cast<size_t>(vertex - graph_.first_switch()); }
  size_t num_switches() const {
    return graph_.vertices().size() - static_cast<size_t>(graph_.first_switch());
  }
  static void Add(SideTotals& side, const FabricLink& link) {
    side.cables += link.cables;
    side.peak += link.peak;
  }
  template <class Use>
  void ForEachFabricLink(Use use) const {
    for (size_t i = static_cast<size_t>(graph_.first_fabric_link()); i < graph_.links().size();
         ++i) {
      use(graph_.links()[i]);
    }
  }

  void FindTotals() {
    totals_.resize(num_switches());
    ForEachFabricLink([&](const FabricLink& link) {
      if (link.from < graph_.first_switch()) {
        return;
      }
      const int32_t from = graph_.TierOf(link.from);
      const int32_t to = graph_.TierOf(link.to);
      Totals& totals = totals_[Index(link.from)];
      Add(to < from ? totals.down : to > from ? totals.up : totals.across, link);
    });
  }

  /// Leaves and spines that hang together below the cores.
  void FindPods() {
    const size_t n = num_switches();
    std::vector<int32_t> rank(n);
    std::vector<int32_t> parent(n);
    boost::disjoint_sets<int32_t*, int32_t*> sets(rank.data(), parent.data());
    bool has_spines = false;
    bool has_cores = false;
    bool has_across = false;
    for (size_t i = 0; i < n; ++i) {
      sets.make_set(static_cast<int32_t>(i));
      const int32_t tier = graph_.TierOf(graph_.first_switch() + static_cast<int32_t>(i));
      has_spines |= tier == 2;
      has_cores |= tier > 2;
      has_across |= tier == 2 && totals_[i].across.cables > 0;
    }
    ForEachFabricLink([&](const FabricLink& link) {
      const int32_t from = graph_.TierOf(link.from);
      const int32_t to = graph_.TierOf(link.to);
      if (from + to == 3 && from * to == 2) {
        sets.union_set(static_cast<int32_t>(Index(link.from)),
                       static_cast<int32_t>(Index(link.to)));
      }
    });
    pod_of_.assign(n, -1);
    std::map<int32_t, int32_t> numbers;
    for (size_t i = 0; i < n && has_spines; ++i) {
      if (graph_.TierOf(graph_.first_switch() + static_cast<int32_t>(i)) <= 2) {
        const int32_t root = sets.find_set(static_cast<int32_t>(i));
        pod_of_[i] = numbers.emplace(root, static_cast<int32_t>(numbers.size())).first->second;
      }
    }
    if (numbers.size() < 2) {
      pod_of_.assign(n, -1);
      return;
    }
    // Pods with equal switches are one class.
    std::vector<std::map<std::string, int64_t>> content(numbers.size());
    for (size_t i = 0; i < n; ++i) {
      if (pod_of_[i] >= 0) {
        ++content[static_cast<size_t>(pod_of_[i])][Signature(i)];
      }
    }
    std::map<std::string, int32_t> classes;
    pod_class_.resize(numbers.size());
    for (size_t pod = 0; pod < content.size(); ++pod) {
      std::string key = is_each_alone_ ? std::to_string(pod) : "";
      for (const auto& [signature, count] : content[pod]) {
        key += fmt::format("{} x {};", count, signature);
      }
      const auto [found, is_new] = classes.emplace(key, static_cast<int32_t>(classes.size()));
      if (is_new) {
        classes_.pods.push_back({.count = 0,
                                 .name = has_cores    ? "pod"
                                         : has_across ? "group"
                                                      : "plane"});
      }
      pod_class_[pod] = found->second;
      ++classes_.pods[static_cast<size_t>(found->second)].count;
    }
  }

  std::string Signature(size_t i) const {
    return fmt::format(
        "{} {} {} {}", graph_.TierOf(graph_.first_switch() + static_cast<int32_t>(i)),
        Rounded(totals_[i].down), Rounded(totals_[i].up), Rounded(totals_[i].across));
  }

  int32_t PodClassOf(size_t i) const {
    return pod_of_[i] < 0 ? -1 : pod_class_[static_cast<size_t>(pod_of_[i])];
  }

  void ClassSwitches() {
    std::map<std::string, int32_t> numbers;
    class_of_.resize(num_switches());
    for (size_t i = 0; i < num_switches(); ++i) {
      const std::string key =
          is_each_alone_ ? std::to_string(i) : fmt::format("{} {}", PodClassOf(i), Signature(i));
      const auto [found, is_new] =
          numbers.emplace(key, static_cast<int32_t>(classes_.switches.size()));
      const int32_t vertex = graph_.first_switch() + static_cast<int32_t>(i);
      if (is_new) {
        classes_.switches.push_back({.members = {},
                                     .tier = graph_.TierOf(vertex),
                                     .pod = PodClassOf(i),
                                     .down = totals_[i].down,
                                     .up = totals_[i].up,
                                     .across = totals_[i].across});
      }
      class_of_[i] = found->second;
      classes_.switches[static_cast<size_t>(found->second)].members.push_back(vertex);
    }
  }

  void ClassNodes() {
    std::map<std::string, int32_t> numbers;
    node_class_.resize(static_cast<size_t>(graph_.nodes()));
    for (int64_t node = 0; node < graph_.nodes(); ++node) {
      std::map<int32_t, SideTotals> leaves;  // by class of leaf
      std::set<int32_t> pods;
      for (size_t nic = 0; nic < graph_.interior().nics.size(); ++nic) {
        for (const int32_t link : graph_.out(graph_.nic(node, static_cast<int64_t>(nic)))) {
          const FabricLink& l = graph_.links()[static_cast<size_t>(link)];
          if (l.to >= graph_.first_switch()) {
            Add(leaves[class_of_[Index(l.to)]], l);
            pods.insert(pod_of_[Index(l.to)]);
          }
        }
      }
      std::string key;
      for (const auto& [leaf, side] : leaves) {
        key += fmt::format("{} {};", leaf, Rounded(side));
      }
      const auto [found, is_new] =
          numbers.emplace(key, static_cast<int32_t>(classes_.nodes.size()));
      if (is_new) {
        const bool is_in_pod = pods.size() == 1 && *pods.begin() >= 0;
        classes_.nodes.push_back(
            {.members = {},
             .pod = is_in_pod ? pod_class_[static_cast<size_t>(*pods.begin())] : -1});
      }
      node_class_[static_cast<size_t>(node)] = found->second;
      classes_.nodes[static_cast<size_t>(found->second)].members.push_back(
          static_cast<int32_t>(node));
    }
  }

  void LinkClasses() {
    std::map<std::tuple<bool, int32_t, int32_t>, SideTotals> totals;
    ForEachFabricLink([&](const FabricLink& link) {
      if (graph_.TierOf(link.to) < graph_.TierOf(link.from)) {
        return;  // counted the other way
      }
      const bool is_port = link.from < graph_.first_switch();
      const int32_t a = is_port ? node_class_[static_cast<size_t>(
                                      graph_.vertices()[static_cast<size_t>(link.from)].node)]
                                : class_of_[Index(link.from)];
      const int32_t b = class_of_[Index(link.to)];
      if (!is_port && graph_.TierOf(link.to) == graph_.TierOf(link.from) &&
          (b < a || (a == b && link.to < link.from))) {
        return;
      }
      Add(totals[{is_port, a, b}], link);
    });
    for (const auto& [key, total] : totals) {
      const auto& [is_port, a, b] = key;
      classes_.links.push_back({.a = a, .b = b, .is_port = is_port, .total = total});
    }
  }

  const FabricGraph& graph_;
  bool is_each_alone_;
  std::vector<Totals> totals_;
  std::vector<int32_t> pod_of_;     // by switch
  std::vector<int32_t> pod_class_;  // by pod
  std::vector<int32_t> class_of_;   // by switch
  std::vector<int32_t> node_class_;
  FabricClasses classes_;
};

}  // namespace

FabricClasses ClassesOf(const FabricGraph& graph, bool is_each_alone) {
  return Classifier(graph, is_each_alone).Classify();
}

}  // namespace ridgeline::hardware
