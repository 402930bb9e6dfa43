#include "sim/network/traffic_classes.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

namespace ridgeline::network {
namespace {

using engine::FlowIndex;
using engine::FlowSpec;
using engine::LinkIndex;
using engine::Traffic;

constexpr int kMostTries = 4;  // a collision of 64-bit sums once is news, four times a bug

/// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Elements are flows, then the links that they cross. An edge of `from` says whose class it feels.
struct Neighbour {
  int32_t element = 0;
  int32_t count = 1;
};

/// Lists of neighbours as one array (CSR).
class Neighbours {
 public:
  explicit Neighbours(size_t elements) : begin_(elements + 1, 0) {}
  void Count(int32_t element) { ++begin_[static_cast<size_t>(element) + 1]; }
  void Allocate() {
    std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
    all_.resize(begin_.back());
    next_.assign(begin_.begin(), begin_.end() - 1);
  }
  void Add(int32_t element, Neighbour neighbour) {
    all_[next_[static_cast<size_t>(element)]++] = neighbour;
  }
  void Close() { std::vector<size_t>().swap(next_); }
  std::span<const Neighbour> operator[](int32_t element) const {
    const auto i = static_cast<size_t>(element);
    return {all_.data() + begin_[i], begin_[i + 1] - begin_[i]};
  }

 private:
  std::vector<size_t> begin_;
  std::vector<size_t> next_;
  std::vector<Neighbour> all_;
};

/// What refinement looks at.
struct Structure {
  int32_t num_flows = 0;
  int32_t num_elements = 0;
  std::vector<LinkIndex> link_of;  // of element num_flows + i
  Neighbours felt_by;              // of an element: who feels its class
};

/// Calls visit(flow, element of link, count) for every crossing and depends(flow, predecessor).
template <class Visit, class Depends>
void ForEachEdge(const Traffic& traffic, const std::vector<int32_t>& element_of, Visit visit,
                 Depends depends) {
  for (FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    for (const Traffic::Crossing& crossing : traffic.path(flow)) {
      visit(flow, element_of[static_cast<size_t>(crossing.link)], crossing.count);
    }
    for (const FlowIndex before : traffic.predecessors(flow)) {
      depends(flow, before);
    }
  }
}

Structure StructureOf(const Traffic& traffic, std::vector<int32_t>& element_of) {
  const auto flows = static_cast<int32_t>(traffic.num_flows());
  element_of.assign(static_cast<size_t>(traffic.num_links()), -1);
  std::vector<LinkIndex> link_of;
  for (FlowIndex flow = 0; flow < flows; ++flow) {
    for (const Traffic::Crossing& crossing : traffic.path(flow)) {
      int32_t& element = element_of[static_cast<size_t>(crossing.link)];
      if (element < 0) {
        CHECK(link_of.size() < static_cast<size_t>(std::numeric_limits<int32_t>::max() - flows));
        element = flows + static_cast<int32_t>(link_of.size());
        link_of.push_back(crossing.link);
      }
    }
  }
  const auto elements = static_cast<int32_t>(flows + static_cast<int32_t>(link_of.size()));
  Neighbours felt_by(static_cast<size_t>(elements));
  ForEachEdge(
      traffic, element_of,
      [&](FlowIndex flow, int32_t link, int32_t) {
        felt_by.Count(flow);
        felt_by.Count(link);
      },
      [&](FlowIndex, FlowIndex before) { felt_by.Count(before); });
  felt_by.Allocate();
  ForEachEdge(
      traffic, element_of,
      [&](FlowIndex flow, int32_t link, int32_t count) {
        felt_by.Add(flow, {.element = link, .count = count});
        felt_by.Add(link, {.element = flow, .count = count});
      },
      [&](FlowIndex flow, FlowIndex before) {
        felt_by.Add(before, {.element = flow, .count = 1});
      });
  felt_by.Close();
  return {.num_flows = flows,
          .num_elements = elements,
          .link_of = std::move(link_of),
          .felt_by = std::move(felt_by)};
}

/// A partition of the elements: each class is a stretch of one permutation, so that members are
/// listed and moved in O(1) each.
class Partition {
 public:
  explicit Partition(int32_t elements)
      : order_(static_cast<size_t>(elements)),
        place_(static_cast<size_t>(elements)),
        class_(static_cast<size_t>(elements), 0) {}

  /// Classes are runs of equal keys of elements sorted by them.
  template <class Key>
  void Start(const Key& key) {
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int32_t a, int32_t b) { return key(a) < key(b); });
    for (size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || key(order_[i - 1]) < key(order_[i])) {
        begin_.push_back(static_cast<int32_t>(i));
        size_.push_back(0);
      }
      class_[Index(order_[i])] = static_cast<int32_t>(begin_.size()) - 1;
      place_[Index(order_[i])] = static_cast<int32_t>(i);
      ++size_.back();
    }
  }

  int32_t size() const { return static_cast<int32_t>(begin_.size()); }
  int32_t ClassOf(int32_t element) const { return class_[Index(element)]; }
  int32_t SizeOf(int32_t c) const { return size_[Index(c)]; }
  std::span<const int32_t> MembersOf(int32_t c) const {
    return {order_.data() + begin_[Index(c)], Index(size_[Index(c)])};
  }

  /// Makes the members, all of one class and fewer than it has, a class of their own.
  int32_t Split(std::span<const int32_t> members) {
    const int32_t from = ClassOf(members.front());
    const auto made = static_cast<int32_t>(begin_.size());
    for (const int32_t member : members) {
      const int32_t end = begin_[Index(from)] + --size_[Index(from)];
      const int32_t other = order_[Index(end)];
      std::swap(order_[Index(end)], order_[Index(place_[Index(member)])]);
      std::swap(place_[Index(other)], place_[Index(member)]);
      class_[Index(member)] = made;
    }
    begin_.push_back(begin_[Index(from)] + size_[Index(from)]);
    size_.push_back(static_cast<int32_t>(members.size()));
    return made;
  }

 private:
  static size_t Index(int32_t i) { return static_cast<size_t>(i); }
  std::vector<int32_t> order_;
  std::vector<int32_t> place_;
  std::vector<int32_t> class_;
  std::vector<int32_t> begin_;
  std::vector<int32_t> size_;
};

/// Flows before links; then what a class may not mix from the start.
std::tuple<bool, double, double, int64_t, int64_t> KeyOf(const Traffic& traffic,
                                                         const Structure& structure,
                                                         int32_t element) {
  if (element >= structure.num_flows) {
    const LinkIndex link = structure.link_of[static_cast<size_t>(element - structure.num_flows)];
    return {true, traffic.capacity(link), 0.0, 0, 0};
  }
  const FlowSpec& flow = traffic.flow(element);
  return {false, flow.bytes, flow.cap, flow.start, flow.delay};
}

/// Splits classes until all members of each touch the others alike, up to collisions of hashes.
/// One round refines by the classes of the round before: of a class that split, all parts but the
/// largest are enough, because members agreed on the whole.
class Refinement {
 public:
  Refinement(const Structure& structure, Partition& partition, uint64_t salt)
      : structure_(structure),
        partition_(partition),
        salt_(salt),
        signature_(static_cast<size_t>(structure.num_elements), 0),
        is_touched_(static_cast<size_t>(structure.num_elements), false) {}

  void Run() {
    std::vector<int32_t> splitters(static_cast<size_t>(partition_.size()));
    std::iota(splitters.begin(), splitters.end(), 0);
    while (!splitters.empty()) {
      Touch(splitters);
      splitters = SplitTouched();
    }
  }

 private:
  void Touch(const std::vector<int32_t>& splitters) {
    for (const int32_t splitter : splitters) {
      const uint64_t hash = Mix(salt_ + static_cast<uint64_t>(splitter));
      for (const int32_t member : partition_.MembersOf(splitter)) {
        for (const Neighbour& neighbour : structure_.felt_by[member]) {
          const auto i = static_cast<size_t>(neighbour.element);
          signature_[i] += static_cast<uint64_t>(neighbour.count) * hash;
          if (!is_touched_[i]) {
            is_touched_[i] = true;
            touched_.push_back({.of = 0, .signature = 0, .element = neighbour.element});
          }
        }
      }
    }
  }

  std::vector<int32_t> SplitTouched() {
    for (Touched& touched : touched_) {
      const auto i = static_cast<size_t>(touched.element);
      touched.of = partition_.ClassOf(touched.element);
      touched.signature = signature_[i];
      signature_[i] = 0;
      is_touched_[i] = false;
    }
    std::sort(touched_.begin(), touched_.end(), [](const Touched& a, const Touched& b) {
      return std::tie(a.of, a.signature, a.element) < std::tie(b.of, b.signature, b.element);
    });
    std::vector<int32_t> made;
    for (size_t begin = 0; begin < touched_.size();) {
      size_t end = begin;
      while (end < touched_.size() && touched_[end].of == touched_[begin].of) {
        ++end;
      }
      SplitClass({touched_.data() + begin, end - begin}, made);
      begin = end;
    }
    touched_.clear();
    return made;
  }

  struct Touched {
    int32_t of = 0;  // its class
    uint64_t signature = 0;
    int32_t element = 0;
  };

  /// `touched`: members of one class, by signature. The rest of it, if any, is a part too.
  void SplitClass(std::span<const Touched> touched, std::vector<int32_t>& made) {
    const int32_t of = touched.front().of;
    const size_t untouched = static_cast<size_t>(partition_.SizeOf(of)) - touched.size();
    // The largest part keeps the class; among equals the untouched, then the first.
    size_t largest = touched.size();
    size_t largest_size = untouched;
    for (size_t begin = 0; begin < touched.size();) {
      const size_t end = EndOfPart(touched, begin);
      if (end - begin > largest_size) {
        largest = begin;
        largest_size = end - begin;
      }
      begin = end;
    }
    if (largest_size == untouched + touched.size()) {
      return;
    }
    std::vector<int32_t> members;
    if (largest != touched.size() && untouched > 0) {
      // What is not touched has to go: move the touched away from it in thought, by marks.
      for (const Touched& each : touched) {
        is_touched_[static_cast<size_t>(each.element)] = true;
      }
      for (const int32_t member : partition_.MembersOf(of)) {
        if (!is_touched_[static_cast<size_t>(member)]) {
          members.push_back(member);
        }
      }
      for (const Touched& each : touched) {
        is_touched_[static_cast<size_t>(each.element)] = false;
      }
      std::sort(members.begin(), members.end());
      made.push_back(partition_.Split(members));
    }
    for (size_t begin = 0; begin < touched.size();) {
      const size_t end = EndOfPart(touched, begin);
      if (begin != largest) {
        members.clear();
        for (size_t i = begin; i < end; ++i) {
          members.push_back(touched[i].element);
        }
        made.push_back(partition_.Split(members));
      }
      begin = end;
    }
  }

  static size_t EndOfPart(std::span<const Touched> touched, size_t begin) {
    size_t end = begin;
    while (end < touched.size() && touched[end].signature == touched[begin].signature) {
      ++end;
    }
    return end;
  }

  const Structure& structure_;
  Partition& partition_;
  uint64_t salt_;
  std::vector<uint64_t> signature_;
  std::vector<bool> is_touched_;
  std::vector<Touched> touched_;
};

/// Counts how often an element touches each class, exactly.
class ClassCounts {
 public:
  explicit ClassCounts(int32_t classes) : count_(static_cast<size_t>(classes), 0) {}
  void Add(int32_t c, int64_t count) {
    int64_t& sum = count_[static_cast<size_t>(c)];
    if (sum == 0) {
      touched_.push_back(c);
    }
    sum += count;
  }
  const std::vector<int32_t>& touched() const { return touched_; }
  int64_t of(int32_t c) const { return count_[static_cast<size_t>(c)]; }
  void Clear() {
    for (const int32_t c : touched_) {
      count_[static_cast<size_t>(c)] = 0;
    }
    touched_.clear();
  }

 private:
  std::vector<int64_t> count_;
  std::vector<int32_t> touched_;
};

bool IsSame(const ClassCounts& a, const ClassCounts& b) {
  return a.touched().size() == b.touched().size() &&
         std::all_of(a.touched().begin(), a.touched().end(),
                     [&](int32_t c) { return a.of(c) == b.of(c); });
}

/// Every edge, from the side that feels it: flows feel links and predecessors, links feel flows.
bool IsEquitable(const Traffic& traffic, const Structure& structure,
                 const std::vector<int32_t>& element_of, const Partition& partition) {
  ClassCounts wanted(partition.size());
  ClassCounts found(partition.size());
  const auto count = [&](int32_t element, ClassCounts& counts) {
    counts.Clear();
    if (element >= structure.num_flows) {
      for (const Neighbour& flow : structure.felt_by[element]) {
        counts.Add(partition.ClassOf(flow.element), flow.count);
      }
      return;
    }
    for (const Traffic::Crossing& crossing : traffic.path(element)) {
      counts.Add(partition.ClassOf(element_of[static_cast<size_t>(crossing.link)]), crossing.count);
    }
    for (const FlowIndex before : traffic.predecessors(element)) {
      counts.Add(partition.ClassOf(before), 1);
    }
  };
  for (int32_t c = 0; c < partition.size(); ++c) {
    const std::span<const int32_t> members = partition.MembersOf(c);
    if (members.size() == 1) {
      continue;
    }
    count(members.front(), wanted);
    for (const int32_t member : members.subspan(1)) {
      count(member, found);
      if (!IsSame(wanted, found)) {
        return false;
      }
    }
  }
  return true;
}

/// Names of classes in order of their first members, flows and links apart; -1 for the other kind.
std::vector<int32_t> Numbered(const Partition& partition, int32_t begin, int32_t end) {
  std::vector<int32_t> number(static_cast<size_t>(partition.size()), -1);
  int32_t next = 0;
  for (int32_t element = begin; element < end; ++element) {
    int32_t& of = number[static_cast<size_t>(partition.ClassOf(element))];
    if (of < 0) {
      of = next++;
    }
  }
  return number;
}

/// A class's first member precedes none of its predecessors' first members, so the order of first
/// members is one in which Traffic takes the classes.
TrafficClasses Quotient(const Traffic& traffic, const Structure& structure,
                        const Partition& partition) {
  const std::vector<int32_t> flow_number = Numbered(partition, 0, structure.num_flows);
  const std::vector<int32_t> link_number =
      Numbered(partition, structure.num_flows, structure.num_elements);

  TrafficClasses classes{.traffic = Traffic({}), .class_of = {}, .link_of = {}, .links_in = {}};
  std::vector<FlowIndex> first;  // member of each flow class
  std::vector<int64_t> members;  // of each, with their multiplicities
  for (FlowIndex flow = 0; flow < structure.num_flows; ++flow) {
    const int32_t number = flow_number[static_cast<size_t>(partition.ClassOf(flow))];
    if (number == static_cast<int32_t>(first.size())) {
      first.push_back(flow);
      members.push_back(0);
    }
    members[static_cast<size_t>(number)] += traffic.flow(flow).multiplicity;
    classes.class_of.push_back(number);
  }

  // How often the members of each class cross one link of each: read off the first link.
  std::vector<double> capacity;
  std::vector<std::vector<Traffic::Crossing>> path(first.size());
  ClassCounts counts(partition.size());
  for (int32_t element = structure.num_flows; element < structure.num_elements; ++element) {
    const int32_t c = partition.ClassOf(element);
    const int32_t number = link_number[static_cast<size_t>(c)];
    if (number != static_cast<int32_t>(capacity.size())) {
      continue;
    }
    const LinkIndex link = structure.link_of[static_cast<size_t>(element - structure.num_flows)];
    capacity.push_back(traffic.capacity(link));
    classes.link_of.push_back(link);
    classes.links_in.push_back(partition.SizeOf(c));
    counts.Clear();
    for (const Neighbour& flow : structure.felt_by[element]) {
      counts.Add(partition.ClassOf(flow.element), flow.count);
    }
    for (const int32_t of : counts.touched()) {
      CHECK(counts.of(of) <= std::numeric_limits<int32_t>::max(), "{} crossings", counts.of(of));
      path[static_cast<size_t>(flow_number[static_cast<size_t>(of)])].push_back(
          {.link = number, .count = static_cast<int32_t>(counts.of(of))});
    }
  }

  classes.traffic = Traffic(std::move(capacity));
  std::vector<FlowIndex> predecessors;
  for (size_t i = 0; i < first.size(); ++i) {
    FlowSpec flow = traffic.flow(first[i]);
    flow.multiplicity = members[i];
    predecessors.clear();
    for (const FlowIndex before : traffic.predecessors(first[i])) {
      predecessors.push_back(classes.class_of[static_cast<size_t>(before)]);
    }
    std::sort(predecessors.begin(), predecessors.end());
    predecessors.erase(std::unique(predecessors.begin(), predecessors.end()), predecessors.end());
    classes.traffic.AddFlow(flow, path[i], predecessors);
  }
  return classes;
}

}  // namespace

TrafficClasses CollapseTraffic(const Traffic& traffic) {
  std::vector<int32_t> element_of;
  const Structure structure = StructureOf(traffic, element_of);
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    Partition partition(structure.num_elements);
    partition.Start([&](int32_t element) { return KeyOf(traffic, structure, element); });
    Refinement(structure, partition, Mix(static_cast<uint64_t>(attempt))).Run();
    if (IsEquitable(traffic, structure, element_of, partition)) {
      return Quotient(traffic, structure, partition);
    }
  }
  CHECK(false, "no equitable partition of {} flows in {} tries", traffic.num_flows(), kMostTries);
}

engine::FlowTimes ExpandTimes(const TrafficClasses& classes, const engine::FlowTimes& times) {
  engine::FlowTimes all;
  all.begin.reserve(classes.class_of.size());
  all.end.reserve(classes.class_of.size());
  for (const FlowIndex of : classes.class_of) {
    all.begin.push_back(times.begin[static_cast<size_t>(of)]);
    all.end.push_back(times.end[static_cast<size_t>(of)]);
  }
  all.makespan = times.makespan;
  return all;
}

Result<engine::FlowTimes> RunCollapsed(const Traffic& traffic, const engine::TrafficRunner& runner,
                                       const Stop& stop) {
  const TrafficClasses classes = CollapseTraffic(traffic);
  ASSIGN_OR_RETURN(const engine::FlowTimes times, runner.Run(classes.traffic, stop));
  return ExpandTimes(classes, times);
}

}  // namespace ridgeline::network
