// Random traffic, made of copies so that there is symmetry to find: simulated by classes it ends as
// it does flow by flow.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/engine/flow_engine.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;
using engine::FlowTimes;
using engine::LinkIndex;
using engine::Traffic;

/// Some of the numbers below `n`, each once.
std::vector<int> SomeOf(int n) {
  std::vector<int> some;
  for (int i = 0; i < n; ++i) {
    if (*rc::gen::inRange(0, 2) == 1) {
      some.push_back(i);
    }
  }
  return some;
}

/// `copies` of one random pattern over links of their own and links that all share, plus some flows
/// that break the symmetry.
Traffic MakeTraffic() {
  const int copies = *rc::gen::inRange(1, 7);
  const int own = *rc::gen::inRange(1, 5);
  const int shared = *rc::gen::inRange(0, 3);
  std::vector<double> own_capacity;
  for (int i = 0; i < own; ++i) {
    own_capacity.push_back(1e9 * *rc::gen::inRange(1, 4));
  }
  std::vector<double> capacity;
  for (int copy = 0; copy < copies; ++copy) {
    capacity.insert(capacity.end(), own_capacity.begin(), own_capacity.end());
  }
  for (int i = 0; i < shared; ++i) {
    capacity.push_back(1e9 * *rc::gen::inRange(1, 9));
  }
  Traffic traffic(capacity);
  struct Pattern {
    engine::FlowSpec flow;
    std::vector<int> own;
    std::vector<int> shared;
    std::vector<int> next;  // own links of the copy beside
    int after = -1;         // of the same copy
    bool after_next = false;
  };
  std::vector<Pattern> patterns(static_cast<size_t>(*rc::gen::inRange(1, 8)));
  for (size_t i = 0; i < patterns.size(); ++i) {
    Pattern& pattern = patterns[i];
    pattern.flow.bytes = 1e6 * *rc::gen::inRange(0, 5);
    pattern.flow.start = 1'000'000'000LL * *rc::gen::inRange(0, 3);
    pattern.flow.delay = 1'000'000LL * *rc::gen::inRange(0, 2);
    if (*rc::gen::inRange(0, 4) == 0) {
      pattern.flow.cap = 4e8;
    }
    pattern.own = SomeOf(own);
    if (copies > 1) {
      pattern.next = SomeOf(own);
    }
    pattern.shared = SomeOf(shared);
    if (pattern.own.empty() && pattern.next.empty() && pattern.shared.empty()) {
      pattern.own.push_back(0);
    }
    if (i > 0) {
      pattern.after = *rc::gen::inRange(-1, static_cast<int>(i));
      pattern.after_next = *rc::gen::arbitrary<bool>();
    }
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    for (int copy = 0; copy < copies; ++copy) {
      const Pattern& pattern = patterns[i];
      std::vector<LinkIndex> path;
      for (const int link : pattern.own) {
        path.push_back(copy * own + link);
      }
      for (const int link : pattern.next) {
        path.push_back((copy + 1) % copies * own + link);
      }
      for (const int link : pattern.shared) {
        path.push_back(copies * own + link);
      }
      std::vector<FlowIndex> after;
      if (pattern.after >= 0) {
        after.push_back(pattern.after * copies + copy);
        if (pattern.after_next && copies > 1) {
          after.push_back(pattern.after * copies + (copy + 1) % copies);
        }
      }
      traffic.AddFlow(pattern.flow, std::span<const LinkIndex>(path), after);
    }
  }
  for (int odd = *rc::gen::inRange(0, 3); odd > 0; --odd) {
    const std::vector<LinkIndex> path = {
        static_cast<LinkIndex>(*rc::gen::inRange<int64_t>(0, traffic.num_links()))};
    traffic.AddFlow({.bytes = 3e6}, std::span<const LinkIndex>(path));
  }
  return traffic;
}

TEST(TrafficClassesProperty, CollapsedTrafficEndsAsExpanded) {
  EXPECT_TRUE(rc::check("every flow of every random traffic", [] {
    const Traffic traffic = MakeTraffic();
    const engine::FlowEngine engine;
    const FlowTimes expanded = engine.Run(traffic, {}).value();
    const FlowTimes collapsed = RunCollapsed(traffic, engine, {}).value();
    RC_ASSERT(expanded.end.size() == collapsed.end.size());
    for (size_t i = 0; i < expanded.end.size(); ++i) {
      // Picoseconds; a rounding an end in a chain of a few.
      RC_ASSERT(std::abs(expanded.begin[i] - collapsed.begin[i]) <= 32);
      RC_ASSERT(std::abs(expanded.end[i] - collapsed.end[i]) <= 32);
    }
  }));
}

TEST(TrafficClassesProperty, ClassesCoverAllFlowsAndAllBytes) {
  EXPECT_TRUE(rc::check("multiplicities and load of every link", [] {
    const Traffic traffic = MakeTraffic();
    const TrafficClasses classes = CollapseTraffic(traffic);
    int64_t members = 0;
    for (FlowIndex flow = 0; flow < classes.traffic.num_flows(); ++flow) {
      members += classes.traffic.flow(flow).multiplicity;
    }
    RC_ASSERT(members == traffic.num_flows());
    // Bytes over each kept link: by its flows, and by the classes' crossings.
    std::vector<double> load(static_cast<size_t>(traffic.num_links()), 0.0);
    for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
      for (const Traffic::Crossing& crossing : traffic.path(flow)) {
        load[static_cast<size_t>(crossing.link)] += traffic.flow(flow).bytes * crossing.count;
      }
    }
    std::vector<double> of_classes(static_cast<size_t>(classes.traffic.num_links()), 0.0);
    for (FlowIndex flow = 0; flow < classes.traffic.num_flows(); ++flow) {
      for (const Traffic::Crossing& crossing : classes.traffic.path(flow)) {
        of_classes[static_cast<size_t>(crossing.link)] +=
            classes.traffic.flow(flow).bytes * crossing.count;
      }
    }
    for (size_t i = 0; i < of_classes.size(); ++i) {
      RC_ASSERT(of_classes[i] == load[static_cast<size_t>(classes.link_of[i])]);
    }
  }));
}

}  // namespace
}  // namespace ridgeline::network
