// INV-5 on random traffic: no link carries more than capacity x time, bytes delivered = bytes sent;
// rates are max-min fair at every instant, and following changes gives the rates that solving
// anew gives.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "sim/engine/flow_engine.h"
#include "sim/engine/flow_network.h"
#include "sim/engine/max_min_sharing.h"

namespace ridgeline::engine {
namespace {

using Crossings = std::vector<Traffic::Crossing>;

constexpr double kTolerance = 1e-9;

struct Running {
  MaxMinSharing::Slot slot = 0;
  double cap = kUncapped;
  Crossings path;
};

// Capacities of few kinds, so that ties are common, and of no kind in common.
double AnyCapacity() {
  const auto kind = *rc::gen::inRange(0, 8);
  if (kind < 4) {
    return 25e9 * (1 << kind);
  }
  return kind == 4 ? 0.0 : 1e9 + 1e5 * *rc::gen::inRange(1, 1'000'000);
}

std::vector<double> AnyCapacities(int least = 1) {
  std::vector<double> capacities(static_cast<size_t>(*rc::gen::inRange(least, 13)));
  for (double& capacity : capacities) {
    capacity = AnyCapacity();
  }
  return capacities;
}

Crossings AnyPath(size_t num_links) {
  Crossings path;
  const auto length = *rc::gen::inRange<size_t>(0, 5);
  const auto first = *rc::gen::inRange<size_t>(0, 1000);
  const auto step = *rc::gen::inRange<size_t>(1, 7);
  for (size_t i = 0; i < std::min(length, num_links); ++i) {
    // The same link twice now and then: allowed.
    path.push_back({.link = static_cast<LinkIndex>((first + i * step) % num_links),
                    .count = *rc::gen::inRange(0, 4) == 0 ? *rc::gen::inRange(1, 5) : 1});
  }
  return path;
}

double AnyCap() {
  return *rc::gen::inRange(0, 3) == 0 ? 1e9 * *rc::gen::inRange(1, 40) : kUncapped;
}

// The condition itself, from the definition, ignorant of how rates were found.
void CheckIsMaxMin(const std::vector<double>& capacities, const std::vector<Running>& flows,
                   const std::vector<double>& rates) {
  std::vector<double> load(capacities.size(), 0.0);
  std::vector<double> fastest(capacities.size(), 0.0);
  for (size_t f = 0; f < flows.size(); ++f) {
    RC_ASSERT(rates[f] >= 0);
    RC_ASSERT(rates[f] <= flows[f].cap * (1 + kTolerance));
    for (const auto& [link, count] : flows[f].path) {
      load[static_cast<size_t>(link)] += count * rates[f];
      fastest[static_cast<size_t>(link)] = std::max(fastest[static_cast<size_t>(link)], rates[f]);
    }
  }
  for (size_t link = 0; link < capacities.size(); ++link) {
    RC_ASSERT(load[link] <= capacities[link] * (1 + kTolerance));
  }
  for (size_t f = 0; f < flows.size(); ++f) {
    const bool is_held = std::any_of(flows[f].path.begin(), flows[f].path.end(),
                                     [&](const Traffic::Crossing& crossing) {
                                       const auto link = static_cast<size_t>(crossing.link);
                                       return load[link] >= capacities[link] * (1 - kTolerance) &&
                                              rates[f] >= fastest[link] * (1 - kTolerance);
                                     });
    RC_ASSERT(is_held || rates[f] >= flows[f].cap * (1 - kTolerance) || rates[f] == kUncapped);
  }
}

std::vector<double> RatesOf(const MaxMinSharing& sharing, const std::vector<Running>& flows) {
  std::vector<double> rates;
  for (const Running& flow : flows) {
    rates.push_back(sharing.rate(flow.slot));
  }
  return rates;
}

// All flows new, in this order.
std::vector<double> SolvedAnew(const std::vector<double>& capacities, std::vector<Running> flows) {
  MaxMinSharing sharing(capacities);
  for (Running& flow : flows) {
    flow.slot = sharing.Add(flow.cap, flow.path);
  }
  sharing.Solve();
  return RatesOf(sharing, flows);
}

RC_GTEST_PROP(MaxMinSharingProperty, RatesAreMaxMinFairAndThoseOfSolvingAnewAfterAnyChange, ()) {
  std::vector<double> capacities = AnyCapacities();
  MaxMinSharing sharing(capacities);
  std::vector<Running> flows;
  std::map<MaxMinSharing::Slot, double> reported;
  const auto num_steps = *rc::gen::inRange(1, 30);
  for (int step = 0; step < num_steps; ++step) {
    const auto num_changes = *rc::gen::inRange(1, 6);
    for (int change = 0; change < num_changes; ++change) {
      const auto kind = *rc::gen::inRange(0, 10);
      if (kind < 6 || (kind < 9 && flows.empty())) {
        Running flow{.slot = 0, .cap = AnyCap(), .path = AnyPath(capacities.size())};
        flow.slot = sharing.Add(flow.cap, flow.path);
        reported.erase(flow.slot);
        flows.push_back(flow);
      } else if (kind < 9) {
        const auto which = *rc::gen::inRange<size_t>(0, flows.size());
        sharing.Remove(flows[which].slot);
        flows.erase(flows.begin() + static_cast<std::ptrdiff_t>(which));
      } else {
        const auto link = *rc::gen::inRange<size_t>(0, capacities.size());
        capacities[link] = AnyCapacity();
        sharing.SetCapacity(static_cast<LinkIndex>(link), capacities[link]);
      }
    }
    sharing.Solve();
    const std::vector<double> rates = RatesOf(sharing, flows);
    CheckIsMaxMin(capacities, flows, rates);
    const std::vector<double> anew = SolvedAnew(capacities, flows);
    for (const MaxMinSharing::Slot slot : sharing.changed()) {
      reported[slot] = sharing.rate(slot);
    }
    for (size_t f = 0; f < flows.size(); ++f) {
      RC_ASSERT(rates[f] == anew[f] || std::abs(rates[f] - anew[f]) <= kTolerance * anew[f]);
      RC_ASSERT(reported.at(flows[f].slot) == rates[f]);
      const MaxMinSharing::Group group = sharing.group(flows[f].slot);
      if (rates[f] < kUncapped) {
        const auto members = sharing.members(group);
        RC_ASSERT(std::count_if(members.begin(), members.end(), [&](const auto& member) {
                    return member.flow == flows[f].slot;
                  }) == 1);
      }
    }
  }
}

}  // namespace
}  // namespace ridgeline::engine
