#include "sim/engine/static_sweep.h"

#include <algorithm>

#include "base/check.h"

namespace ridgeline::engine {
namespace {

// Far enough ahead to cover a cache miss, near enough to be still there when it is used.
constexpr uint32_t kPrefetchDistance = 64;

// The pass itself. `begin` is null when only the makespan is asked for.
template <bool kWithBegin>
Picoseconds Sweep(const Program& program, std::span<const Picoseconds> durations,
                  std::vector<Picoseconds>& stream_free, Picoseconds* begin, Picoseconds* end) {
  stream_free.assign(program.num_streams(), 0);
  const TaskIndex* const dependencies = program.all_dependencies().data();
  const auto num_dependencies = static_cast<uint32_t>(program.all_dependencies().size());
  const uint32_t* const dependency_begin = program.dependency_begin().data();
  const StreamIndex* const streams = program.task_streams().data();
  Picoseconds* const free = stream_free.data();
  const size_t num_tasks = program.num_tasks();

  uint32_t d = 0;
  uint64_t all_ends = 0;
  for (size_t task = 0; task < num_tasks; ++task) {
    const uint32_t d_end = dependency_begin[task + 1];
    Picoseconds start = free[streams[task]];
    for (; d < d_end; ++d) {
      if (d + kPrefetchDistance < num_dependencies) {
        __builtin_prefetch(end + dependencies[d + kPrefetchDistance]);
      }
      start = std::max(start, end[dependencies[d]]);
    }
    // Two non-negative int64 sum to at most 2^64 - 2: a wrap shows as a set sign bit, and one look
    // at the union of all sums finds it.
    const uint64_t sum = static_cast<uint64_t>(start) + static_cast<uint64_t>(durations[task]);
    all_ends |= sum;
    const auto finish = static_cast<Picoseconds>(sum);
    if constexpr (kWithBegin) {
      begin[task] = start;
    }
    end[task] = finish;
    free[streams[task]] = finish;
  }
  CHECK((all_ends >> 63) == 0, "the clock overflows: {} tasks", num_tasks);
  return stream_free.empty() ? 0 : *std::max_element(stream_free.begin(), stream_free.end());
}

}  // namespace

void StaticSweeper::Run(const Program& program, Timeline& timeline) {
  timeline.begin.resize(program.num_tasks());
  timeline.end.resize(program.num_tasks());
  timeline.makespan = Sweep<true>(program, program.durations(), stream_free_, timeline.begin.data(),
                                  timeline.end.data());
}

Picoseconds StaticSweeper::Makespan(const Program& program) {
  return Makespan(program, program.durations());
}

Picoseconds StaticSweeper::Makespan(const Program& program,
                                    std::span<const Picoseconds> durations) {
  CHECK(durations.size() == program.num_tasks(), "{} durations for {} tasks", durations.size(),
        program.num_tasks());
  end_.resize(std::max(end_.size(), program.num_tasks()));
  return Sweep<false>(program, durations, stream_free_, nullptr, end_.data());
}

Timeline StaticSweep(const Program& program) {
  Timeline timeline;
  StaticSweeper().Run(program, timeline);
  return timeline;
}

}  // namespace ridgeline::engine
