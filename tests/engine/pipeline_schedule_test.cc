#include "workloads/pipeline_schedule.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/engine/static_sweep.h"
#include "tests/engine/pipeline_program.h"

namespace ridgeline::workloads {
namespace {

// "F0 F1 B0": with a chunk behind a point when it is not 0.
std::string Written(const std::vector<Slot>& order) {
  std::string text;
  for (const Slot& slot : order) {
    text += text.empty() ? "" : " ";
    text += slot.kind == SlotKind::kForward  ? "F"
            : slot.kind == SlotKind::kInput  ? "I"
            : slot.kind == SlotKind::kWeight ? "W"
                                             : "B";
    text += std::to_string(slot.micro_batch);
    if (slot.chunk > 0) {
      text += "." + std::to_string(slot.chunk);
    }
    text += slot.with_next ? "&" : "";
  }
  return text;
}

std::string OrderText(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t rank, int64_t m) {
  return Written(OrderOf(kind, pp, vpp, rank, m).value());
}

TEST(PipelineScheduleTest, GPipeRunsAllForwardsThenAllBackwards) {
  EXPECT_EQ(OrderText(ScheduleKind::kGPipe, 4, 1, 1, 3), "F0 F1 F2 B0 B1 B2");
}

// Figure 4 of arXiv:2104.04473, four stages: the first warms up with three, the last with none.
TEST(PipelineScheduleTest, OneForwardOneBackwardByHand) {
  EXPECT_EQ(OrderText(ScheduleKind::kOneForwardOneBackward, 4, 1, 0, 5),
            "F0 F1 F2 F3 B0 F4 B1 B2 B3 B4");
  EXPECT_EQ(OrderText(ScheduleKind::kOneForwardOneBackward, 4, 1, 3, 3), "F0 B0 F1 B1 F2 B2");
}

// pp 2, vpp 2, 4 micro-batches: groups of two micro-batches through chunk 0, then chunk 1. Warm-up
// 2(2-0-1) + 1·2 = 4 on rank 0 and 2 on rank 1.
TEST(PipelineScheduleTest, InterleavedByHand) {
  EXPECT_EQ(OrderText(ScheduleKind::kInterleaved, 2, 2, 0, 4),
            "F0 F1 F0.1 F1.1 F2 B0.1 F3 B1.1 F2.1 B0 F3.1 B1 B2.1 B3.1 B2 B3");
  EXPECT_EQ(OrderText(ScheduleKind::kInterleaved, 2, 2, 1, 4),
            "F0 F1 F0.1 B0.1 F1.1 B1.1 F2 B0 F3 B1 F2.1 B2.1 F3.1 B3.1 B2 B3");
}

TEST(PipelineScheduleTest, InterleavedWithOneChunkIsOneForwardOneBackward) {
  EXPECT_EQ(OrderOf(ScheduleKind::kInterleaved, 4, 1, 1, 6).value(),
            OrderOf(ScheduleKind::kOneForwardOneBackward, 4, 1, 1, 6).value());
}

engine::Picoseconds MakespanOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t m,
                               engine::Picoseconds forward, engine::Picoseconds backward) {
  engine::Program program;
  EXPECT_TRUE(BuildPipeline(OrdersOf(kind, pp, vpp, m), {kind, pp, vpp}, m,
                            {.forward = forward, .input = backward / 2, .weight = backward / 2},
                            program));
  return engine::StaticSweep(program).makespan;
}

// A rank works m·(F + B); what is above it is the bubble: (p-1)(F+B), and a v-th of it with v
// chunks, whose slots cost F/v and B/v.
TEST(PipelineScheduleTest, BubblesAtEqualCostsAreTheClosedForms) {
  constexpr engine::Picoseconds kForward = 24'000;
  constexpr engine::Picoseconds kBackward = 48'000;
  for (const int64_t pp : {1, 2, 3, 4, 8, 16}) {
    for (const int64_t groups : {1, 2, 5}) {
      const int64_t m = pp * groups;
      const engine::Picoseconds bubble = (pp - 1) * (kForward + kBackward);
      const engine::Picoseconds work = m * (kForward + kBackward);
      EXPECT_EQ(MakespanOf(ScheduleKind::kGPipe, pp, 1, m, kForward, kBackward), work + bubble);
      EXPECT_EQ(MakespanOf(ScheduleKind::kOneForwardOneBackward, pp, 1, m, kForward, kBackward),
                work + bubble);
      for (const int64_t vpp : {2, 3, 4}) {
        EXPECT_EQ(
            MakespanOf(ScheduleKind::kInterleaved, pp, vpp, m, kForward / vpp, kBackward / vpp),
            work + bubble / vpp)
            << "pp " << pp << ", vpp " << vpp << ", " << m << " micro-batches";
      }
    }
  }
}

TEST(PipelineScheduleTest, FewerMicroBatchesThanStagesStillRun) {
  for (const int64_t m : {1, 2, 3}) {
    EXPECT_EQ(MakespanOf(ScheduleKind::kGPipe, 4, 1, m, 10, 20), (m + 3) * 30);
    EXPECT_EQ(MakespanOf(ScheduleKind::kOneForwardOneBackward, 4, 1, m, 10, 20), (m + 3) * 30);
  }
}

// In chunks: GPipe m; 1F1B min(m, p - i); interleaved 2(p-i-1) + (v-1)p + 1, at most m·v.
TEST(PipelineScheduleTest, PeakInFlightIsTheClosedForm) {
  for (const int64_t pp : {1, 2, 4, 8}) {
    for (const int64_t m : {pp, 2 * pp, 6 * pp}) {
      for (int64_t rank = 0; rank < pp; ++rank) {
        const auto peak = [&](ScheduleKind kind, int64_t vpp) {
          return PeakChunksInFlight(OrderOf(kind, pp, vpp, rank, m).value());
        };
        EXPECT_EQ(peak(ScheduleKind::kGPipe, 1), m);
        EXPECT_EQ(peak(ScheduleKind::kOneForwardOneBackward, 1), std::min(m, pp - rank));
        for (const int64_t vpp : {2, 3, 7}) {
          EXPECT_EQ(peak(ScheduleKind::kInterleaved, vpp),
                    std::min(m * vpp, 2 * (pp - rank - 1) + (vpp - 1) * pp + 1));
        }
      }
    }
  }
}

// Figure 3 of arXiv:2401.10241: as 1F1B, with as many weight gradients held back as ranks are
// below.
TEST(PipelineScheduleTest, ZeroBubbleH1ByHand) {
  EXPECT_EQ(OrderText(ScheduleKind::kZeroBubbleH1, 3, 1, 0, 4),
            "F0 F1 F2 I0 W0 F3 I1 W1 I2 W2 I3 W3");
  EXPECT_EQ(OrderText(ScheduleKind::kZeroBubbleH1, 3, 1, 2, 4),
            "F0 I0 F1 I1 F2 I2 W0 F3 I3 W1 W2 W3");
}

// Two ranks: rank 0 holds chunks 0 and 3, rank 1 chunks 1 and 2.
TEST(PipelineScheduleTest, ZeroBubbleVByHand) {
  EXPECT_EQ(OrderText(ScheduleKind::kZeroBubbleV, 2, 2, 1, 3),
            "F0 F0.1 F1 F1.1 I0.1 W0.1 F2 I0 W0 F2.1 I1.1 W1.1 I1 I2.1 I2 W1 W2.1 W2");
}

// The middle ranks of two: a forward and a backward apart, then pairs.
TEST(PipelineScheduleTest, DualPipeByHand) {
  EXPECT_EQ(OrderText(ScheduleKind::kDualPipe, 2, 1, 0, 4), "F0 F0.1 F1 B0.1 F1.1& B0 B1.1 I1 W1");
}

struct Spans {
  engine::Picoseconds bubble = 0;  // of the makespan, what no rank works
  engine::Picoseconds inside = 0;  // the longest wait of a rank between its first slot and its last
};

Spans SpansOf(ScheduleKind kind, int64_t pp, int64_t vpp, int64_t m, const SlotTimes& times) {
  engine::Program program;
  EXPECT_TRUE(BuildPipeline(OrdersOf(kind, pp, vpp, m), {kind, pp, vpp}, m, times, program));
  const engine::Timeline timeline = engine::StaticSweep(program);
  const auto ranks = static_cast<size_t>(pp);
  std::vector<engine::Picoseconds> busy(ranks, 0), first(ranks, -1), last(ranks, 0);
  for (size_t task = 0; task < program.num_tasks(); ++task) {
    const size_t rank = program.task_streams()[task];
    busy[rank] += timeline.end[task] - timeline.begin[task];
    first[rank] = first[rank] < 0 ? timeline.begin[task] : first[rank];
    last[rank] = timeline.end[task];
  }
  Spans spans = {.bubble = timeline.makespan - busy.front()};
  for (size_t rank = 0; rank < ranks; ++rank) {
    EXPECT_EQ(busy[rank], busy[0]);
    spans.inside = std::max(spans.inside, last[rank] - first[rank] - busy[rank]);
  }
  return spans;
}

// (p - 1)(F + B - W), whatever the three are while F >= W.
TEST(PipelineScheduleTest, ZeroBubbleH1HasTheBubbleOfThePaper) {
  for (const SlotTimes& times : {SlotTimes{10, 10, 10}, SlotTimes{10, 12, 8}}) {
    for (const int64_t pp : {1, 2, 3, 4, 8, 16}) {
      for (const int64_t m : {2 * pp, 5 * pp}) {
        EXPECT_EQ(SpansOf(ScheduleKind::kZeroBubbleH1, pp, 1, m, times).bubble,
                  (pp - 1) * (times.forward + times.input - times.weight));
      }
    }
  }
}

// No rank waits once it has begun; rank r begins r forwards late, and the step ends when the last
// does.
TEST(PipelineScheduleTest, ZeroBubbleVHasNoBubbleAtEqualCosts) {
  for (const int64_t pp : {2, 3, 4, 8, 16}) {
    for (const int64_t m : {2 * pp, 5 * pp}) {
      const Spans spans = SpansOf(ScheduleKind::kZeroBubbleV, pp, 2, m, {10, 10, 10});
      EXPECT_EQ(spans.inside, 0);
      EXPECT_EQ(spans.bubble, (pp - 1) * 10);
    }
  }
}

// (p/2 - 1)(F&B + B - 3W) with F&B = F + B, B of both gradients.
TEST(PipelineScheduleTest, DualPipeHasTheBubbleOfItsAuthors) {
  for (const int64_t pp : {2, 4, 6, 8, 16}) {
    for (const int64_t m : {2 * pp, 2 * pp + 2, 5 * pp}) {
      EXPECT_EQ(SpansOf(ScheduleKind::kDualPipe, pp, 1, m, {10, 10, 10}).bubble,
                (pp / 2 - 1) * (30 + 20 - 30));
    }
  }
}

// In micro-batches of a rank's chunks: ZB-H1 as 1F1B, ZB-V p, DualPipe p + 1.
TEST(PipelineScheduleTest, PeakInFlightOfZeroBubbleIsTheClosedForm) {
  for (const int64_t pp : {2, 4, 8}) {
    for (const int64_t m : {2 * pp, 6 * pp}) {
      for (int64_t rank = 0; rank < pp; ++rank) {
        const auto peak = [&](ScheduleKind kind, int64_t vpp) {
          return PeakChunksInFlight(OrderOf(kind, pp, vpp, rank, m).value());
        };
        EXPECT_EQ(peak(ScheduleKind::kZeroBubbleH1, 1), pp - rank);
        EXPECT_EQ(peak(ScheduleKind::kZeroBubbleV, 2), 2 * pp);
        EXPECT_EQ(peak(ScheduleKind::kDualPipe, 1), pp + 1);
      }
    }
  }
}

TEST(PipelineScheduleTest, RefusesWhatTheSchedulesCannotRun) {
  const auto code = [](ScheduleKind kind, int64_t vpp, int64_t m) {
    return OrderOf(kind, 4, vpp, 0, m).error().code;
  };
  EXPECT_EQ(code(ScheduleKind::kInterleaved, 2, 6), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kGPipe, 2, 8), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kOneForwardOneBackward, 1, 0), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kInterleaved, 0, 8), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kGPipe, 1, int64_t{1} << 40), ErrorCode::kOutOfRange);
  EXPECT_EQ(code(ScheduleKind::kZeroBubbleH1, 2, 8), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kZeroBubbleV, 1, 8), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(ScheduleKind::kDualPipe, 1, 6), ErrorCode::kInvalidArgument);  // fewer than 2·pp
  EXPECT_EQ(code(ScheduleKind::kDualPipe, 1, 9), ErrorCode::kInvalidArgument);
  EXPECT_EQ(OrderOf(ScheduleKind::kDualPipe, 3, 1, 0, 8).error().code, ErrorCode::kInvalidArgument);
  EXPECT_THROW((void)OrderOf(ScheduleKind::kGPipe, 4, 1, 4, 8), InternalError);
}

TEST(PipelineScheduleTest, NamesAreThoseOfTheDocuments) {
  std::string names;
  for (const auto& [name, kind] : EnumNames(Tag<ScheduleKind>{})) {
    names += std::string(name) + " ";
  }
  EXPECT_EQ(names, "gpipe 1f1b interleaved zb-h1 zb-v dualpipe ");
}

}  // namespace
}  // namespace ridgeline::workloads
