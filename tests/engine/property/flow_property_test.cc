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

// Dependencies, delays, equal starts, no bytes; every link has room.
Traffic AnyTraffic() {
  std::vector<double> capacities = AnyCapacities(2);
  for (double& capacity : capacities) {
    capacity += 1e9;
  }
  Traffic traffic(capacities);
  const auto num_flows = *rc::gen::inRange(1, 40);
  for (int flow = 0; flow < num_flows; ++flow) {
    FlowSpec spec;
    const auto kind = *rc::gen::inRange(0, 6);
    spec.bytes = kind == 0 ? 0 : kind < 3 ? 1e6 : 1e3 * *rc::gen::inRange(1, 10'000);
    spec.cap = AnyCap();
    spec.start = 1'000'000 * *rc::gen::inRange(0, 4);
    spec.delay = *rc::gen::inRange(0, 2) == 0 ? 0 : *rc::gen::inRange(0, 2'000'000);
    std::vector<FlowIndex> before;
    if (flow > 0 && *rc::gen::inRange(0, 3) == 0) {
      before = {*rc::gen::inRange(0, flow), *rc::gen::inRange(0, flow)};
    }
    traffic.AddFlow(spec, AnyPath(capacities.size()), before);
  }
  return traffic;
}

FlowTimes TimesOf(const Traffic& traffic) {
  const Result<FlowTimes> times = FlowEngine().Run(traffic, {});
  RC_ASSERT(times.has_value());
  return *times;
}

double SecondsOf(Picoseconds span) { return ToSeconds(span).base(); }

RC_GTEST_PROP(FlowEngineProperty, OrderIsKeptAndNoBoundIsBeaten, ()) {
  const Traffic traffic = AnyTraffic();
  const FlowTimes times = TimesOf(traffic);
  std::vector<double> bytes(static_cast<size_t>(traffic.num_links()), 0.0);
  Picoseconds last = 0;
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    const FlowSpec& spec = traffic.flow(flow);
    const auto i = static_cast<size_t>(flow);
    Picoseconds released = spec.start;
    for (const FlowIndex before : traffic.predecessors(flow)) {
      released = std::max(released, times.end[static_cast<size_t>(before)]);
    }
    RC_ASSERT(times.begin[i] == released + spec.delay);
    double fastest = spec.cap;
    for (const auto& [link, count] : traffic.path(flow)) {
      fastest = std::min(fastest, traffic.capacity(link) / count);
      bytes[static_cast<size_t>(link)] += count * spec.bytes;
    }
    RC_ASSERT(SecondsOf(times.end[i] - times.begin[i]) >=
              spec.bytes / fastest * (1 - kTolerance) - 1e-14);
    last = std::max(last, times.end[i]);
  }
  RC_ASSERT(times.makespan == last);
  for (LinkIndex link = 0; link < traffic.num_links(); ++link) {
    RC_ASSERT(SecondsOf(last) >=
              bytes[static_cast<size_t>(link)] / traffic.capacity(link) * (1 - kTolerance) - 1e-14);
  }
  const FlowTimes again = TimesOf(traffic);
  RC_ASSERT(again.begin == times.begin);
  RC_ASSERT(again.end == times.end);
}

RC_GTEST_PROP(FlowNetworkProperty, LinksCarryWhatTheyCanAndFlowsDeliverWhatWasSent, ()) {
  // Driven as the engine's times say, with links that change on the way.
  const Traffic traffic = AnyTraffic();
  const FlowTimes times = TimesOf(traffic);
  std::map<Picoseconds, std::vector<FlowIndex>> starts;
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    starts[times.begin[static_cast<size_t>(flow)]].push_back(flow);
  }
  const bool has_changes = *rc::gen::arbitrary<bool>();
  std::vector<double> capacities(traffic.capacities().begin(), traffic.capacities().end());
  FlowNetwork network(capacities);
  std::map<FlowNetwork::FlowId, FlowIndex> running;
  std::vector<double> moved(static_cast<size_t>(traffic.num_flows()), 0.0);
  std::vector<FlowNetwork::FlowId> ended;
  while (!starts.empty() || !running.empty()) {
    if (!starts.empty() && starts.begin()->first == network.now()) {
      for (const FlowIndex flow : starts.begin()->second) {
        const FlowSpec& spec = traffic.flow(flow);
        running[network.Start(spec.bytes, spec.cap, traffic.path(flow))] = flow;
      }
      starts.erase(starts.begin());
      if (has_changes) {
        const auto link = *rc::gen::inRange<size_t>(0, capacities.size());
        capacities[link] = 1e9 + AnyCapacity();
        network.SetCapacity(static_cast<LinkIndex>(link), capacities[link]);
      }
    }
    const Picoseconds next =
        std::min(network.NextEnd(), starts.empty() ? FlowNetwork::kNever : starts.begin()->first);
    RC_ASSERT(next < FlowNetwork::kNever);
    std::vector<Running> flows;
    std::vector<double> rates;
    for (const auto& [id, flow] : running) {
      if (traffic.flow(flow).bytes > 0) {
        const auto path = traffic.path(flow);
        flows.push_back(
            {.slot = id, .cap = traffic.flow(flow).cap, .path = {path.begin(), path.end()}});
        rates.push_back(network.RateOf(id));
        if (rates.back() < kUncapped) {
          moved[static_cast<size_t>(flow)] += rates.back() * SecondsOf(next - network.now());
        }
      }
    }
    CheckIsMaxMin(capacities, flows, rates);
    network.AdvanceTo(next, ended);
    for (const FlowNetwork::FlowId id : ended) {
      const FlowIndex flow = running.at(id);
      running.erase(id);
      const FlowSpec& spec = traffic.flow(flow);
      if (spec.bytes > 0 && (!traffic.path(flow).empty() || spec.cap < kUncapped)) {
        // An end is at a whole picosecond: at most what passes in one more than was sent.
        const double sent = moved[static_cast<size_t>(flow)];
        RC_ASSERT(sent >= spec.bytes * (1 - kTolerance) - 1e-3);
        RC_ASSERT(sent <= spec.bytes * (1 + kTolerance) + 500e9 * 1e-12);
      }
      if (!has_changes) {
        RC_ASSERT(network.now() == times.end[static_cast<size_t>(flow)]);
      }
    }
  }
}

RC_GTEST_PROP(FlowEngineProperty, ClassesOfEqualFlowsEndWhenTheirMembersDo, ()) {
  // All-to-all over leaves: flows inside a leaf and flows between leaves are two classes; one host
  // and one leaf stand for all.
  const auto hosts = *rc::gen::inRange(2, 5);  // a leaf
  const auto leaves = *rc::gen::inRange(2, 5);
  const double port = 1e9 * *rc::gen::inRange(1, 100);
  const double uplink = 1e9 * *rc::gen::inRange(1, 400);
  const double inside = 1e3 * *rc::gen::inRange(1, 10'000);
  const double across = *rc::gen::inRange(0, 2) == 0 ? inside : 1e3 * *rc::gen::inRange(1, 10'000);
  const int num_hosts = hosts * leaves;
  std::vector<double> capacities(static_cast<size_t>(2 * num_hosts), port);
  capacities.insert(capacities.end(), static_cast<size_t>(2 * leaves), uplink);
  Traffic expanded(capacities);
  std::vector<bool> is_inside;
  for (LinkIndex from = 0; from < num_hosts; ++from) {
    for (LinkIndex to = 0; to < num_hosts; ++to) {
      if (from == to) {
        continue;
      }
      is_inside.push_back(from / hosts == to / hosts);
      std::vector<LinkIndex> path = {from, num_hosts + to};
      if (!is_inside.back()) {
        path.push_back(2 * num_hosts + from / hosts);
        path.push_back(2 * num_hosts + leaves + to / hosts);
      }
      expanded.AddFlow({.bytes = is_inside.back() ? inside : across}, path);
    }
  }
  const int others = num_hosts - hosts;
  Traffic collapsed({port, port, uplink, uplink});
  collapsed.AddFlow({.bytes = inside, .multiplicity = num_hosts * (hosts - 1)},
                    Crossings{{.link = 0, .count = hosts - 1}, {.link = 1, .count = hosts - 1}});
  collapsed.AddFlow({.bytes = across, .multiplicity = num_hosts * others},
                    Crossings{{.link = 0, .count = others},
                              {.link = 1, .count = others},
                              {.link = 2, .count = hosts * others},
                              {.link = 3, .count = hosts * others}});
  const FlowTimes members = TimesOf(expanded);
  const FlowTimes classes = TimesOf(collapsed);
  for (size_t flow = 0; flow < is_inside.size(); ++flow) {
    const Picoseconds end = classes.end[is_inside[flow] ? 0 : 1];
    // The members' ends may be rounded up in turn, and the next a little later for it.
    RC_ASSERT(std::abs(members.end[flow] - end) <= 2 + end / 1'000'000'000);
  }
}

}  // namespace
}  // namespace ridgeline::engine
