#include "sim/network/simgrid_reference.h"

#include <algorithm>
#include <csignal>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/child_process.h"

namespace ridgeline::network {
namespace {

namespace fs = std::filesystem;
using engine::FlowIndex;
using engine::LinkIndex;
using engine::Traffic;

constexpr const char* kProgram = "ridgeline-simgrid";
constexpr const char* kUseFlow = "network.fidelity: flow";

/// Flows that links couple, directly or through others; without regard to when they run.
class Coupling {
 public:
  explicit Coupling(const Traffic& traffic) : of_link_(static_cast<size_t>(traffic.num_links())) {
    std::iota(of_link_.begin(), of_link_.end(), 0);
    for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
      const std::span<const Traffic::Crossing> path = traffic.path(i);
      for (size_t c = 1; c < path.size(); ++c) {
        of_link_[static_cast<size_t>(Root(path[c].link))] = Root(path[0].link);
      }
    }
  }
  LinkIndex Root(LinkIndex link) {
    auto* of = &of_link_[static_cast<size_t>(link)];
    while (*of != link) {
      *of = of_link_[static_cast<size_t>(*of)];
      link = *of;
      of = &of_link_[static_cast<size_t>(link)];
    }
    return link;
  }

 private:
  std::vector<LinkIndex> of_link_;
};

/// Flows of a component that have equally long chains of predecessors: they can run beside each
/// other, unless their starts lie further apart than they take.
struct Row {
  int64_t flows = 0;
  double alone = 0.0;  // seconds that they take alone, added up
  engine::Picoseconds first = std::numeric_limits<engine::Picoseconds>::max();
  engine::Picoseconds last = 0;

  double NumBeside() const {
    if (alone <= 0) {
      return 0.0;
    }
    const double apart = static_cast<double>(last - first) * 1e-12;
    return alone / (apart + alone / static_cast<double>(flows));
  }
};

struct Component {
  int64_t flows = 0;
  std::map<int32_t, Row> rows = {};  // by length of the chain

  double NumBeside() const {
    double most = 0.0;
    for (const auto& [length, row] : rows) {
      most = std::max(most, row.NumBeside());
    }
    return most;
  }
};

double SecondsAlone(const Traffic& traffic, FlowIndex flow) {
  double rate = traffic.flow(flow).cap;
  for (const Traffic::Crossing& crossing : traffic.path(flow)) {
    rate = std::min(rate, traffic.capacity(crossing.link));
  }
  return traffic.flow(flow).bytes / rate;
}

std::map<LinkIndex, Component> ComponentsOf(const Traffic& traffic) {
  Coupling coupling(traffic);
  std::vector<int32_t> chain(static_cast<size_t>(traffic.num_flows()), 0);
  std::map<LinkIndex, Component> components;
  for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    int32_t& length = chain[static_cast<size_t>(i)];
    for (const FlowIndex before : traffic.predecessors(i)) {
      length = std::max(length, chain[static_cast<size_t>(before)] + 1);
    }
    if (traffic.path(i).empty() || traffic.flow(i).bytes <= 0) {
      continue;
    }
    Component& component = components[coupling.Root(traffic.path(i)[0].link)];
    ++component.flows;
    Row& row = component.rows[length];
    ++row.flows;
    row.alone += SecondsAlone(traffic, i);
    row.first = std::min(row.first, traffic.flow(i).start);
    row.last = std::max(row.last, traffic.flow(i).start);
  }
  return components;
}

bool MostAreCoupled(const Traffic& traffic) {
  double beside = 0.0;
  double coupled = 0.0;
  for (const auto& [root, component] : ComponentsOf(traffic)) {
    beside += component.NumBeside();
    coupled = std::max(coupled, component.NumBeside());
  }
  return 2 * coupled > beside;
}

Status CheckWhatSimgridKnows(const Traffic& traffic) {
  for (FlowIndex i = 0; i < traffic.num_flows(); ++i) {
    const bool is_plain =
        traffic.flow(i).multiplicity == 1 &&
        std::all_of(traffic.path(i).begin(), traffic.path(i).end(),
                    [](const Traffic::Crossing& crossing) { return crossing.count == 1; });
    if (!is_plain) {
      return Unimplemented("SimGrid has no weights: it takes no flow that stands for several",
                           kUseFlow);
    }
    for (const Traffic::Crossing& crossing : traffic.path(i)) {
      if (traffic.flow(i).bytes > 0 && !(traffic.capacity(crossing.link) > 0)) {
        return Fail({.code = ErrorCode::kFailedPrecondition,
                     .message = fmt::format("flow {} can never end: link {} has no capacity", i,
                                            crossing.link)});
      }
    }
  }
  return {};
}

/// "segmentation fault (signal 11)".
std::string SignalName(int signal) {
  const char* const name = sigdescr_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal)
                         : fmt::format("{} (signal {})", name, signal);
}

/// What the child said last, on one line.
std::string Quoted(const std::string& last_words) {
  constexpr size_t kMost = 400;
  std::string line;
  for (const char c : last_words) {
    const bool is_space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!is_space) {
      line += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  if (line.size() > kMost) {
    line = "... " + line.substr(line.size() - kMost);
  }
  return line.empty() ? "; it said nothing" : "; its last words: " + line;
}

tl::unexpected<Error> Failed(const std::string& how, const std::string& last_words) {
  return Fail({.code = ErrorCode::kUnavailable,
               .message = fmt::format("SimGrid's process {}{}", how, Quoted(last_words)),
               .hint = fmt::format("the same traffic needs no SimGrid with {}", kUseFlow)});
}

}  // namespace

double ExpectedSeconds(const Traffic& traffic) {
  constexpr double kEach = 8e-6;     // make, start and end a flow
  constexpr double kSearch = 8e-9;   // its list of unfinished flows, at every end
  constexpr double kSharing = 4e-7;  // new rates of coupled flows, at every end
  double seconds = 0.0;
  double beside = 0.0;
  for (const auto& [root, component] : ComponentsOf(traffic)) {
    seconds += static_cast<double>(component.flows) * component.NumBeside() * kSharing;
    beside += component.NumBeside();
  }
  return seconds + static_cast<double>(traffic.num_flows()) * (kEach + beside * kSearch);
}

Result<engine::TrafficAnswer> SimgridReference::Solve(const Traffic& traffic,
                                                      const Stop& stop) const {
  RETURN_IF_ERROR(CheckWhatSimgridKnows(traffic));
  const auto patience = static_cast<double>(settings_.patience.count());
  if (const double expected = ExpectedSeconds(traffic); expected > patience) {
    return Unimplemented(
        fmt::format("SimGrid would take about {:.0f} min for {} flows; the limit is {:.0f} min",
                    expected / 60, traffic.num_flows(), patience / 60),
        kUseFlow);
  }
  const std::optional<fs::path> program =
      settings_.program.empty() ? FindProgram(kProgram) : settings_.program;
  if (!program || !IsProgram(*program)) {
    return Unimplemented(
        fmt::format("this build has no SimGrid: there is no program {}",
                    program ? program->string() : kProgram),
        fmt::format("install libsimgrid-dev, then configure and build again; or {}", kUseFlow));
  }
  const std::string input = engine::WriteTraffic(traffic);
  ChildCommand command{.words = {program->string()},
                       .input = input,
                       .most_output = engine::MostAnswerBytes(traffic.num_flows()),
                       .deadline = Stop::Clock::now() + settings_.patience};
  const bool is_full = settings_.updates == SimgridUpdates::kFull ||
                       (settings_.updates == SimgridUpdates::kChosen && MostAreCoupled(traffic));
  command.words.emplace_back(is_full ? "--cfg=network/optim:Full" : "--cfg=network/optim:Lazy");
  command.words.insert(command.words.end(), settings_.options.begin(), settings_.options.end());
  ASSIGN_OR_RETURN(const ChildResult child, RunChild(command, stop));
  switch (child.end) {
    case ChildEnd::kOverdue:
      return Fail({.code = ErrorCode::kDeadlineExceeded,
                   .message = fmt::format("SimGrid has not answered within {} s about {} flows{}",
                                          settings_.patience.count(), traffic.num_flows(),
                                          Quoted(child.last_words)),
                   .hint = kUseFlow});
    case ChildEnd::kTooLoud:
      return Failed("answered more than was asked", child.last_words);
    case ChildEnd::kSignalled:
      return Failed("crashed: " + SignalName(child.exit_code - 128), child.last_words);
    case ChildEnd::kExited:
      break;
  }
  if (child.exit_code != 0) {
    return Failed(fmt::format("failed with exit code {}", child.exit_code), child.last_words);
  }
  Result<engine::TrafficAnswer> answer = engine::ReadAnswer(child.out, traffic);
  if (!answer && answer.error().code != ErrorCode::kUnimplemented) {
    return Failed("answered what is no answer: " + answer.error().message, child.last_words);
  }
  return answer;
}

Result<engine::FlowTimes> SimgridReference::Run(const Traffic& traffic, const Stop& stop) const {
  ASSIGN_OR_RETURN(engine::TrafficAnswer answer, Solve(traffic, stop));
  return std::move(answer.times);
}

}  // namespace ridgeline::network
