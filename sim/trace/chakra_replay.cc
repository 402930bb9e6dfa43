#include "sim/trace/chakra_replay.h"

#include <algorithm>
#include <map>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "sim/engine/static_sweep.h"

namespace ridgeline::trace {
namespace {

using engine::Picoseconds;
using engine::StreamIndex;
using engine::TaskIndex;

constexpr Picoseconds kPicosecondsAMicrosecond = 1'000'000;

bool IsCommunication(ChakraNodeType type) {
  return type == ChakraNodeType::kSend || type == ChakraNodeType::kReceive ||
         type == ChakraNodeType::kCollective;
}

/// Places a node: which rank, and where in its list.
struct Place {
  uint32_t rank = 0;
  size_t node = 0;
};

/// Nodes that begin together: one, or a collective of several ranks.
struct Unit {
  std::vector<Place> places;
  std::vector<size_t> after;   // units that wait for this one
  size_t open = 0;             // dependencies still to be added
  std::vector<size_t> before;  // units that this one waits for
};

std::string GroupOf(const ChakraNode& node) {
  for (const ChakraAttribute& attribute : node.attributes) {
    if (attribute.name == "pg_name") {
      const auto* const name = std::get_if<std::string>(&attribute.value);
      return name == nullptr ? std::string() : *name;
    }
  }
  return {};
}

class Builder {
 public:
  Builder(const std::vector<ChakraTrace>& ranks, const ChakraDuration& duration)
      : ranks_(&ranks), duration_(&duration) {}

  Result<ChakraReplay> Run() {
    RETURN_IF_ERROR(MakeUnits());
    RETURN_IF_ERROR(Connect());
    RETURN_IF_ERROR(Add());
    replay_.timeline = engine::StaticSweep(replay_.program);
    return std::move(replay_);
  }

 private:
  const ChakraNode& At(const Place& place) const { return (*ranks_)[place.rank].nodes[place.node]; }

  Status MakeUnits() {
    std::map<std::pair<std::string, int64_t>, size_t> joint;  // group, n-th -> unit
    unit_of_.resize(ranks_->size());
    for (uint32_t rank = 0; rank < ranks_->size(); ++rank) {
      std::map<std::string, int64_t> count;
      const std::vector<ChakraNode>& nodes = (*ranks_)[rank].nodes;
      for (size_t i = 0; i < nodes.size(); ++i) {
        size_t unit = units_.size();
        if (nodes[i].type == ChakraNodeType::kCollective && !nodes[i].Has("stream")) {
          const std::string group = GroupOf(nodes[i]);
          unit = joint.emplace(std::pair{group, count[group]++}, unit).first->second;
        }
        if (unit == units_.size()) {
          units_.emplace_back();
        }
        units_[unit].places.push_back({rank, i});
        if (!unit_of_[rank].emplace(nodes[i].id, unit).second) {
          return InvalidArgument(
              fmt::format("rank {}: two nodes have the identifier {}", rank, nodes[i].id));
        }
      }
    }
    return {};
  }

  Status Connect() {
    using Message = std::tuple<int64_t, int64_t, int64_t>;  // source, destination, tag
    std::map<Message, size_t> sends;
    const auto message_of = [](const ChakraNode& node, uint32_t rank, bool is_send) {
      return Message{node.Integer("comm_src", is_send ? int64_t{rank} : -1),
                     node.Integer("comm_dst", is_send ? -1 : int64_t{rank}),
                     node.Integer("comm_tag", 0)};
    };
    for (size_t unit = 0; unit < units_.size(); ++unit) {
      const Place place = units_[unit].places.front();
      if (At(place).type == ChakraNodeType::kSend) {
        sends.emplace(message_of(At(place), place.rank, true), unit);
      }
    }
    for (size_t unit = 0; unit < units_.size(); ++unit) {
      for (const Place& place : units_[unit].places) {
        const ChakraNode& node = At(place);
        for (const auto* const dependencies :
             {&node.control_dependencies, &node.data_dependencies}) {
          for (const uint64_t id : *dependencies) {
            const auto found = unit_of_[place.rank].find(id);
            if (found == unit_of_[place.rank].end()) {
              return InvalidArgument(fmt::format(
                  "rank {}: node {} waits for {}, which is not there", place.rank, node.id, id));
            }
            Join(found->second, unit);
          }
        }
        if (node.type == ChakraNodeType::kReceive) {
          const auto send = sends.find(message_of(node, place.rank, false));
          if (send == sends.end()) {
            return InvalidArgument(
                fmt::format("rank {}: nobody sends what node {} receives", place.rank, node.id),
                "give the traces of all ranks");
          }
          Join(send->second, unit);
        }
      }
    }
    return {};
  }

  void Join(size_t before, size_t after) {
    units_[before].after.push_back(after);
    units_[after].before.push_back(before);
    ++units_[after].open;
  }

  StreamIndex StreamOf(const Place& place) {
    const ChakraNode& node = At(place);
    const int64_t kind = node.Has("stream")                  ? node.Integer("stream", 0)
                         : IsCommunication(node.type)        ? -2
                         : node.Integer("is_cpu_op", 0) != 0 ? -3
                                                             : -1;
    // A receive takes no stream's time: each has its own.
    const bool is_receive = node.type == ChakraNodeType::kReceive ||
                            (node.type == ChakraNodeType::kSend && !node.Has("duration_ps"));
    const auto key = std::tuple{place.rank, is_receive ? int64_t{-4} : kind,
                                is_receive ? static_cast<int64_t>(place.node) : int64_t{0}};
    const auto found = streams_.find(key);
    if (found != streams_.end()) {
      return found->second;
    }
    const StreamIndex stream = replay_.program.AddStream(place.rank, kind == -1   ? "compute"
                                                                     : kind == -2 ? "communication"
                                                                                  : "stream");
    streams_.emplace(key, stream);
    return stream;
  }

  Status Add() {
    struct Later {
      const Builder* builder;
      bool operator()(size_t a, size_t b) const {
        const Place pa = builder->units_[a].places.front();
        const Place pb = builder->units_[b].places.front();
        return std::tuple{builder->At(pa).id, pa.rank} > std::tuple{builder->At(pb).id, pb.rank};
      }
    };
    std::priority_queue<size_t, std::vector<size_t>, Later> ready(Later{this});
    for (size_t unit = 0; unit < units_.size(); ++unit) {
      if (units_[unit].open == 0) {
        ready.push(unit);
      }
    }
    std::vector<TaskIndex> task_of(units_.size(), 0);
    size_t added = 0;
    while (!ready.empty()) {
      const size_t unit = ready.top();
      ready.pop();
      ++added;
      std::vector<TaskIndex> dependencies;
      for (const size_t before : units_[unit].before) {
        // The tasks of a collective end together: its first speaks for all.
        dependencies.push_back(task_of[before]);
      }
      std::ranges::sort(dependencies);
      dependencies.erase(std::unique(dependencies.begin(), dependencies.end()), dependencies.end());
      std::vector<StreamIndex> streams;
      Picoseconds duration = 0;
      for (const Place& place : units_[unit].places) {
        streams.push_back(StreamOf(place));
        const Picoseconds own = (*duration_)(At(place));
        duration = std::max(duration, own);
        (IsCommunication(At(place).type) ? replay_.communication : replay_.compute) += own;
      }
      const ChakraNode& first = At(units_[unit].places.front());
      const engine::LabelIndex label =
          replay_.program.AddLabel(first.name, static_cast<uint32_t>(first.type));
      task_of[unit] = streams.size() == 1
                          ? replay_.program.AddTask(streams[0], duration, label, dependencies)
                          : replay_.program.AddJoint(streams, duration, label, dependencies);
      for (const size_t after : units_[unit].after) {
        if (--units_[after].open == 0) {
          ready.push(after);
        }
      }
    }
    if (added != units_.size()) {
      return InvalidArgument("the traces wait for each other in a circle",
                             "give the traces of one run, all ranks, in order of rank");
    }
    return {};
  }

  const std::vector<ChakraTrace>* ranks_;
  const ChakraDuration* duration_;
  std::vector<Unit> units_;
  std::vector<std::unordered_map<uint64_t, size_t>> unit_of_;  // by rank: id -> unit
  std::map<std::tuple<uint32_t, int64_t, int64_t>, StreamIndex> streams_;
  ChakraReplay replay_;
};

}  // namespace

Picoseconds RecordedDuration(const ChakraNode& node) {
  if (node.Has("duration_ps")) {
    return std::max<Picoseconds>(0, node.Integer("duration_ps", 0));
  }
  return static_cast<Picoseconds>(node.duration_micros) * kPicosecondsAMicrosecond;
}

Result<ChakraReplay> ReplayChakra(const std::vector<ChakraTrace>& ranks,
                                  const ChakraDuration& duration) {
  return Builder(ranks, duration).Run();
}

}  // namespace ridgeline::trace
