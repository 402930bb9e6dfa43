#include "sim/network/simgrid/simgrid_simulation.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/kernel/routing/NetPoint.hpp>
#include <simgrid/kernel/routing/NetZoneImpl.hpp>
#include <simgrid/s4u.hpp>

namespace ridgeline::simgrid_program {
namespace {

namespace s4u = simgrid::s4u;
namespace routing = simgrid::kernel::routing;
using engine::FlowIndex;
using engine::LinkIndex;
using engine::Picoseconds;
using engine::Traffic;

/// Bytes are whole numbers in SimGrid. Counting in so many parts of a byte keeps their fractions.
double PartsOfAByte(const Traffic& traffic) {
  constexpr int kMostBits = 50;  // all counts stay exact in a double
  constexpr int kUsefulBits = 20;
  double largest = 1.0;
  for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    largest = std::max(largest, traffic.flow(i).bytes);
  }
  return std::ldexp(1.0, std::clamp(kMostBits - std::ilogb(largest), 0, kUsefulBits));
}

double ToClock(Picoseconds time) { return static_cast<double>(time) * 1e-12; }
Picoseconds FromClock(double seconds) { return std::llround(seconds * 1e12); }

/// A zone of two hosts whose route is that of the flow which starts now: SimGrid asks for it while
/// the flow starts, so that no table of routes is needed and two flows between the same ends may
/// take different ways.
class PathZone : public routing::NetZoneImpl {
 public:
  explicit PathZone(const std::string& name) : NetZoneImpl(name) {}
  void SetPath(const std::vector<s4u::Link*>* path) { path_ = path; }

  void get_local_route(const routing::NetPoint* /*source*/,
                       const routing::NetPoint* /*destination*/, routing::Route* route,
                       double* /*latency*/) override {
    for (const s4u::Link* link : *path_) {
      route->link_list_.push_back(link->get_impl());
    }
  }

 private:
  const std::vector<s4u::Link*>* path_ = nullptr;
};

/// Feeds flows to SimGrid when they may begin, and notes when they end. A Comm is made only when
/// its flow starts: SimGrid 3.32 searches the list of all that were made at each completion.
class Simulation {
 public:
  Simulation(const Traffic& traffic, PathZone& zone)
      : traffic_(traffic), zone_(zone), parts_(PartsOfAByte(traffic)) {
    const auto num_flows = static_cast<size_t>(traffic.num_flows());
    answer_.times.begin.resize(num_flows);
    answer_.times.end.resize(num_flows);
    comms_.resize(num_flows);
    private_links_.resize(num_flows, nullptr);
    MakePlatform();
    FindSuccessors();
  }

  /// Everything that has no predecessor, then what follows from it.
  void Begin() {
    for (FlowIndex i = 0; i < traffic_.num_flows(); ++i) {
      if (waits_for_[Slot(i)] == 0) {
        BecomeReady(i, 0);
      }
    }
    StartDue();
  }
  void OnCompletion(const s4u::Activity& activity) {
    retired_.clear();
    const auto slot = reinterpret_cast<uintptr_t>(activity.get_data<void>()) - 1;
    retired_.push_back(std::move(comms_[slot]));  // SimGrid still uses it in this call
    End(static_cast<FlowIndex>(slot), FromClock(s4u::Engine::get_clock()));
    StartDue();
  }
  int64_t num_ended() const { return num_ended_; }
  engine::TrafficAnswer& answer() { return answer_; }

 private:
  static size_t Slot(int64_t index) { return static_cast<size_t>(index); }

  void MakePlatform() {
    s4u::NetZone* const zone = zone_.get_iface();
    source_ = zone->create_host("source", 1e9);
    destination_ = zone->create_host("destination", 1e9);
    for (LinkIndex i = 0; i < traffic_.num_links(); ++i) {
      const double capacity = traffic_.capacity(i);
      const bool is_limit =
          capacity > 0 && !std::isinf(capacity);  // without any, nobody crosses it
      links_.push_back(is_limit ? MakeLink(fmt::format("l{}", i), capacity) : nullptr);
    }
    // A cap is a link of the flow's own: SimGrid ignores set_rate() on direct communications.
    for (FlowIndex i = 0; i < traffic_.num_flows(); ++i) {
      double narrowest = engine::kUncapped;
      for (const Traffic::Crossing& crossing : traffic_.path(i)) {
        narrowest = std::min(narrowest, traffic_.capacity(crossing.link));
      }
      if (traffic_.flow(i).cap < narrowest) {
        private_links_[Slot(i)] = MakeLink(fmt::format("f{}", i), traffic_.flow(i).cap);
      }
    }
    zone->seal();
  }
  s4u::Link* MakeLink(const std::string& name, double capacity) {
    s4u::Link* const link = zone_.get_iface()->create_link(name, capacity * parts_);
    link->set_latency(0)->seal();
    return link;
  }

  void FindSuccessors() {
    waits_for_.resize(Slot(traffic_.num_flows()), 0);
    ready_.resize(Slot(traffic_.num_flows()), 0);
    successors_begin_.assign(Slot(traffic_.num_flows()) + 1, 0);
    for (FlowIndex i = 0; i < traffic_.num_flows(); ++i) {
      for (const FlowIndex before : traffic_.predecessors(i)) {
        ++successors_begin_[Slot(before) + 1];
        ++waits_for_[Slot(i)];
      }
    }
    for (size_t i = 1; i < successors_begin_.size(); ++i) {
      successors_begin_[i] += successors_begin_[i - 1];
    }
    successors_.resize(Slot(successors_begin_.back()));
    std::vector<int64_t> next(successors_begin_.begin(), successors_begin_.end() - 1);
    for (FlowIndex i = 0; i < traffic_.num_flows(); ++i) {
      for (const FlowIndex before : traffic_.predecessors(i)) {
        successors_[Slot(next[Slot(before)]++)] = i;
      }
    }
  }

  /// `now`: when the last predecessor ended.
  void BecomeReady(FlowIndex flow, Picoseconds now) {
    const engine::FlowSpec& spec = traffic_.flow(flow);
    const Picoseconds begin = engine::AddSaturating(std::max(spec.start, now), spec.delay);
    answer_.times.begin[Slot(flow)] = begin;
    if (begin <= now) {
      due_.push_back(flow);
    } else {
      // Timers, not run_until(): that stops up to 10 us early.
      simgrid::kernel::timer::Timer::set(ToClock(begin), [this, flow] {
        due_.push_back(flow);
        StartDue();
      });
    }
  }

  /// A list instead of recursion: flows of no bytes may follow one another in any number.
  void StartDue() {
    while (!due_.empty()) {
      const FlowIndex flow = due_.back();
      due_.pop_back();
      Start(flow);
    }
  }

  void Start(FlowIndex flow) {
    path_.clear();
    for (const Traffic::Crossing& crossing : traffic_.path(flow)) {
      if (links_[Slot(crossing.link)] != nullptr) {
        path_.push_back(links_[Slot(crossing.link)]);
      }
    }
    if (private_links_[Slot(flow)] != nullptr) {
      path_.push_back(private_links_[Slot(flow)]);
    }
    const auto parts = static_cast<uint64_t>(std::llround(traffic_.flow(flow).bytes * parts_));
    if (path_.empty() || parts == 0) {
      End(flow, answer_.times.begin[Slot(flow)]);
      return;
    }
    zone_.SetPath(&path_);
    s4u::CommPtr comm = s4u::Comm::sendto_init();
    comm->set_payload_size(parts);
    comm->set_data(
        reinterpret_cast<void*>(static_cast<uintptr_t>(flow) + 1));  // never read through
    comms_[Slot(flow)] = comm;  // one that is dropped while it runs crashes SimGrid
    comm->set_source(source_)->set_destination(destination_);  // starts it
  }

  void End(FlowIndex flow, Picoseconds now) {
    answer_.times.end[Slot(flow)] = std::max(now, answer_.times.begin[Slot(flow)]);
    ++num_ended_;
    for (int64_t s = successors_begin_[Slot(flow)]; s < successors_begin_[Slot(flow) + 1]; ++s) {
      const FlowIndex after = successors_[Slot(s)];
      ready_[Slot(after)] = std::max(ready_[Slot(after)], answer_.times.end[Slot(flow)]);
      if (--waits_for_[Slot(after)] == 0) {
        BecomeReady(after, ready_[Slot(after)]);
      }
    }
  }

  const Traffic& traffic_;
  PathZone& zone_;
  double parts_;
  s4u::Host* source_ = nullptr;
  s4u::Host* destination_ = nullptr;
  std::vector<s4u::Link*> links_;
  std::vector<s4u::Link*> private_links_;  // of flows whose cap binds
  std::vector<s4u::Link*> path_;           // of the flow that starts now
  std::vector<s4u::CommPtr> comms_;
  std::vector<s4u::CommPtr> retired_;
  std::vector<int32_t> waits_for_;
  std::vector<Picoseconds> ready_;
  std::vector<int64_t> successors_begin_;
  std::vector<FlowIndex> successors_;
  std::vector<FlowIndex> due_;
  int64_t num_ended_ = 0;
  engine::TrafficAnswer answer_;
};

Status CheckPlain(const Traffic& traffic) {
  for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    if (traffic.flow(i).multiplicity != 1) {
      return Unimplemented("SimGrid knows no flows that stand for several");
    }
    for (const Traffic::Crossing& crossing : traffic.path(i)) {
      if (crossing.count != 1) {
        return Unimplemented("SimGrid knows no flows that cross a link several times");
      }
      if (traffic.flow(i).bytes > 0 && !(traffic.capacity(crossing.link) > 0)) {
        return InvalidArgument("a flow over a link without capacity");
      }
    }
  }
  return {};
}

}  // namespace

Result<engine::TrafficAnswer> SimulateWithSimgrid(const Traffic& traffic,
                                                  const std::vector<std::string>& options) {
  RETURN_IF_ERROR(CheckPlain(traffic));
  std::vector<std::string> words = {"ridgeline-simgrid",         "--log=root.thresh:error",
                                    "--cfg=network/model:CM02",  "--cfg=network/crosstraffic:0",
                                    "--cfg=network/TCP-gamma:0", "--cfg=surf/precision:1e-12"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  auto num_arguments = static_cast<int>(words.size());
  s4u::Engine engine(&num_arguments, arguments.data());
  auto* const zone = new PathZone("fabric");  // the engine's from here on: the first is the root
  Simulation simulation(traffic, *zone);
  s4u::Activity::on_completion_cb(
      [&simulation](const s4u::Activity& activity) { simulation.OnCompletion(activity); });
  const std::clock_t begin = std::clock();  // processor time: what else runs here is no matter
  simulation.Begin();
  engine.run();
  const auto took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  if (simulation.num_ended() != traffic.num_flows()) {
    return Fail({.code = ErrorCode::kInternal,
                 .message = fmt::format("SimGrid stopped after {} of {} flows",
                                        simulation.num_ended(), traffic.num_flows())});
  }
  simulation.answer().solve_seconds = took;
  return std::move(simulation.answer());
}

}  // namespace ridgeline::simgrid_program
