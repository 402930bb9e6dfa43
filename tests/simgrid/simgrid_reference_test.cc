/// Cases worked by hand, and children that misbehave.
#include "sim/network/simgrid_reference.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simgrid/installed_simgrid.h"

namespace ridgeline::network {
namespace {

using engine::FlowIndex;
using engine::FlowTimes;
using engine::LinkIndex;
using engine::Picoseconds;
using engine::Traffic;
using testing::AllOf;
using testing::HasSubstr;

constexpr Picoseconds kMicrosecond = 1'000'000;
constexpr double kMegabyte = 1e6;

FlowIndex Add(Traffic& traffic, const engine::FlowSpec& flow, std::vector<LinkIndex> path,
              std::vector<FlowIndex> predecessors = {}) {
  return traffic.AddFlow(flow, std::span<const LinkIndex>(path), predecessors);
}

FlowTimes Solve(const Traffic& traffic) {
  Result<FlowTimes> times = kSimgrid.Run(traffic, Stop());
  EXPECT_TRUE(times.has_value()) << (times ? "" : times.error().message);
  return times ? *std::move(times) : FlowTimes();
}

// 1 MB over 50 GB/s: 20 us.
TEST(SimgridReferenceTest, AFlowAloneTakesSizeOverCapacity) {
  NEED_SIMGRID();
  Traffic traffic({50e9});
  Add(traffic, {.bytes = kMegabyte}, {0});
  const FlowTimes times = Solve(traffic);
  EXPECT_EQ(times.begin, std::vector<Picoseconds>{0});
  EXPECT_EQ(times.end, std::vector<Picoseconds>{20 * kMicrosecond});
  EXPECT_EQ(times.makespan, 20 * kMicrosecond);
}

// 2 MB and 1 MB share 50 GB/s: the small one at 25 GB/s ends at 40 us; the large one has 1 MB left,
// alone: 60 us.
TEST(SimgridReferenceTest, TwoFlowsShareALinkEqually) {
  NEED_SIMGRID();
  Traffic traffic({50e9});
  Add(traffic, {.bytes = 2 * kMegabyte}, {0});
  Add(traffic, {.bytes = kMegabyte}, {0});
  EXPECT_EQ(Solve(traffic).end, (std::vector<Picoseconds>{60 * kMicrosecond, 40 * kMicrosecond}));
}

// Three links of 50 GB/s, a long flow over all and a short one on each: all at 25 GB/s until 40 us.
TEST(SimgridReferenceTest, AParkingLotGivesHalvesEverywhere) {
  NEED_SIMGRID();
  Traffic traffic({50e9, 50e9, 50e9});
  Add(traffic, {.bytes = kMegabyte}, {0, 1, 2});
  for (const LinkIndex link : {0, 1, 2}) {
    Add(traffic, {.bytes = kMegabyte}, {link});
  }
  EXPECT_EQ(Solve(traffic).end, std::vector<Picoseconds>(4, 40 * kMicrosecond));
}

// A capped flow leaves what it does not take: 10 and 40 GB/s; a cap above the link changes nothing.
TEST(SimgridReferenceTest, CapsHold) {
  NEED_SIMGRID();
  Traffic traffic({50e9, 50e9});
  Add(traffic, {.bytes = kMegabyte, .cap = 10e9}, {0});  // 100 us
  Add(traffic, {.bytes = 4 * kMegabyte}, {0});           // 100 us
  Add(traffic, {.bytes = kMegabyte, .cap = 60e9}, {1});  // 20 us
  Add(traffic, {.bytes = kMegabyte, .cap = 20e9}, {});   // crosses nothing, 50 us
  EXPECT_EQ(Solve(traffic).end, (std::vector<Picoseconds>{100 * kMicrosecond, 100 * kMicrosecond,
                                                          20 * kMicrosecond, 50 * kMicrosecond}));
}

// The second starts at 10 us + 3 us delay, to the picosecond, when 350 kB of the first are left;
// they share until 13 + 14 us, when the second, 350 kB, ends as well.
TEST(SimgridReferenceTest, StartsAndDelaysAreExact) {
  NEED_SIMGRID();
  Traffic traffic({50e9});
  Add(traffic, {.bytes = kMegabyte}, {0});
  Add(traffic, {.bytes = 0.35 * kMegabyte, .start = 10 * kMicrosecond, .delay = 3 * kMicrosecond},
      {0});
  Add(traffic, {.bytes = 50e3, .start = 123'456'789, .delay = 1}, {0});  // alone: 1 us
  const FlowTimes times = Solve(traffic);
  EXPECT_EQ(times.begin, (std::vector<Picoseconds>{0, 13 * kMicrosecond, 123'456'790}));
  EXPECT_EQ(times.end,
            (std::vector<Picoseconds>{27 * kMicrosecond, 27 * kMicrosecond, 124'456'790}));
}

// Two flows of 20 and 40 us; the third waits for both, and 5 us, and takes 20.
TEST(SimgridReferenceTest, FlowsWaitForTheirPredecessors) {
  NEED_SIMGRID();
  Traffic traffic({50e9, 50e9});
  const FlowIndex first = Add(traffic, {.bytes = kMegabyte}, {0});
  const FlowIndex second = Add(traffic, {.bytes = 2 * kMegabyte}, {1});
  Add(traffic, {.bytes = kMegabyte, .delay = 5 * kMicrosecond}, {0, 1}, {first, second});
  const FlowTimes times = Solve(traffic);
  EXPECT_EQ(times.begin[2], 45 * kMicrosecond);
  EXPECT_EQ(times.end[2], 65 * kMicrosecond);
}

// No bytes, no links, links without limit: all end when they begin; 100,000 of them in a row too.
TEST(SimgridReferenceTest, WhatHasNothingToWaitForEndsAtOnce) {
  NEED_SIMGRID();
  Traffic traffic({50e9, engine::kUncapped});
  FlowIndex before = Add(traffic, {.start = 7}, {0});
  before = Add(traffic, {.bytes = kMegabyte, .delay = 3}, {}, {before});
  before = Add(traffic, {.bytes = kMegabyte}, {1}, {before});
  for (int i = 0; i < 100'000; ++i) {
    before = Add(traffic, {}, {0}, {before});
  }
  Add(traffic, {.bytes = kMegabyte}, {1, 0}, {before});
  const FlowTimes times = Solve(traffic);
  EXPECT_EQ(times.end[0], 7);
  EXPECT_EQ(times.end[static_cast<size_t>(before)], 10);
  EXPECT_EQ(times.makespan, 20 * kMicrosecond + 10);
}

TEST(SimgridReferenceTest, NoTrafficTakesNoTime) {
  NEED_SIMGRID();
  EXPECT_EQ(Solve(Traffic({})).makespan, 0);
}

// 1/3 of a byte at 1 B/s: whole bytes would say 0 s.
TEST(SimgridReferenceTest, FractionsOfAByteCount) {
  NEED_SIMGRID();
  Traffic traffic({1.0});
  Add(traffic, {.bytes = 1.0 / 3.0}, {0});
  EXPECT_NEAR(static_cast<double>(Solve(traffic).makespan), 1e12 / 3.0, 1e6);
}

TEST(SimgridReferenceTest, WeightsAreRefusedWithAHint) {
  for (const bool counted : {false, true}) {
    Traffic traffic({50e9});
    const std::vector<Traffic::Crossing> path = {{.link = 0, .count = counted ? 2 : 1}};
    traffic.AddFlow({.bytes = 1, .multiplicity = counted ? 1 : 2}, path);
    const Result<FlowTimes> times = kSimgrid.Run(traffic, Stop());
    ASSERT_FALSE(times.has_value());
    EXPECT_EQ(times.error().code, ErrorCode::kUnimplemented);
    EXPECT_THAT(times.error().message, HasSubstr("SimGrid has no weights"));
    EXPECT_EQ(times.error().hint, "network.fidelity: flow");
  }
}

TEST(SimgridReferenceTest, BytesOverALinkWithoutCapacityAreRefused) {
  for (const double capacity : {0.0, -1.0, std::nan("")}) {
    Traffic traffic({1.0, capacity});
    Add(traffic, {.bytes = 1}, {0, 1});
    const Result<FlowTimes> times = kSimgrid.Run(traffic, Stop());
    ASSERT_FALSE(times.has_value());
    EXPECT_EQ(times.error().code, ErrorCode::kFailedPrecondition);
    EXPECT_EQ(times.error().message, "flow 0 can never end: link 1 has no capacity");
  }
}

// A fabric may have links that are down, as long as no bytes go over them.
TEST(SimgridReferenceTest, LinksThatAreDownAreNoneOfOurs) {
  NEED_SIMGRID();
  Traffic traffic({50e9, 0.0});
  Add(traffic, {.bytes = kMegabyte}, {0});
  Add(traffic, {}, {1});
  EXPECT_EQ(Solve(traffic).makespan, 20 * kMicrosecond);
}

// 200,000 coupled flows at once: 4e10 changes of rates, hours.
TEST(SimgridReferenceTest, WhatWouldTakeHoursIsRefusedBeforeItStarts) {
  Traffic traffic({50e9});
  for (int i = 0; i < 200'000; ++i) {
    Add(traffic, {.bytes = 1.0 + i}, {0});
  }
  const Result<FlowTimes> times = kSimgrid.Run(traffic, Stop());
  ASSERT_FALSE(times.has_value());
  EXPECT_EQ(times.error().code, ErrorCode::kUnimplemented);
  EXPECT_THAT(times.error().message, HasSubstr("for 200000 flows; the limit is 10 min"));
  EXPECT_EQ(times.error().hint, "network.fidelity: flow");
}

/// A program in the child's place.
class ImpostorTest : public testing::Test {
 protected:
  ImpostorTest() : traffic_({50e9}) { Add(traffic_, {.bytes = 1}, {0}); }
  ~ImpostorTest() override { std::filesystem::remove(path_); }

  Error Fail(const std::string& script, const Stop& stop = Stop()) {
    std::ofstream(path_) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    const SimgridReference reference({.program = path_, .patience = std::chrono::seconds(1)});
    const Result<FlowTimes> times = reference.Run(traffic_, stop);
    EXPECT_FALSE(times.has_value());
    return times ? Error() : times.error();
  }

  Traffic traffic_;
  std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / ("impostor-" + std::to_string(getpid()));
};

TEST_F(ImpostorTest, ACrashIsSaidWithTheLastWords) {
  const Error error = Fail("echo 'xbt_assert: out of luck' >&2; kill -SEGV $$");
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.message,
            "SimGrid's process crashed: Segmentation fault (signal 11); its last words: "
            "xbt_assert: out of luck");
  EXPECT_EQ(error.hint, "the same traffic needs no SimGrid with network.fidelity: flow");
}

TEST_F(ImpostorTest, AHangEndsWithThePatience) {
  const Error error = Fail("sleep 60");
  EXPECT_EQ(error.code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(error.message, "SimGrid has not answered within 1 s about 1 flows; it said nothing");
  EXPECT_EQ(error.hint, "network.fidelity: flow");
}

TEST_F(ImpostorTest, ANonzeroExitIsSaid) {
  const Error error = Fail("cat >/dev/null; echo no memory >&2; exit 3");
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.message, "SimGrid's process failed with exit code 3; its last words: no memory");
}

TEST_F(ImpostorTest, GarbageIsNoAnswer) {
  const Error error = Fail("cat >/dev/null; echo 42");
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.message,
            "SimGrid's process answered what is no answer: not an answer of this version; it said "
            "nothing");
}

TEST_F(ImpostorTest, SilenceIsNoAnswer) {
  EXPECT_THAT(Fail("exit 0").message, HasSubstr("no answer: there is no answer"));
}

TEST_F(ImpostorTest, AnEndlessAnswerIsCutOff) {
  const Error error = Fail("yes");
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("answered more than was asked"));
}

TEST_F(ImpostorTest, AMissingProgramNamesThePackage) {
  const SimgridReference reference({.program = "no/such/program"});
  const Result<FlowTimes> times = reference.Run(traffic_, Stop());
  ASSERT_FALSE(times.has_value());
  EXPECT_EQ(times.error().code, ErrorCode::kUnimplemented);
  EXPECT_EQ(times.error().message,
            "this build has no SimGrid: there is no program no/such/program");
  EXPECT_THAT(times.error().hint, AllOf(HasSubstr("libsimgrid-dev"), HasSubstr("flow")));
}

TEST_F(ImpostorTest, StopReachesTheChild) {
  const auto begin = Stop::Clock::now();
  const Error error =
      Fail("exec sleep 60", Stop(std::stop_token(), begin + std::chrono::milliseconds(100)));
  EXPECT_EQ(error.code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(error.message, "deadline exceeded");
  EXPECT_LT(Stop::Clock::now() - begin, std::chrono::seconds(4));
}

// The real program, fed with what is no traffic, or with an option that SimGrid aborts on.
TEST(SimgridProgramTest, UnknownOptionsEndInAnErrorWithSimgridsWords) {
  NEED_SIMGRID();
#ifdef RIDGELINE_SIMGRID_PROGRAM
  const SimgridReference reference(
      {.program = RIDGELINE_SIMGRID_PROGRAM, .options = {"--cfg=network/model:NoSuchModel"}});
  const Result<FlowTimes> times = reference.Run(Traffic({1.0}), Stop());
  ASSERT_FALSE(times.has_value());
  EXPECT_EQ(times.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(times.error().message, HasSubstr("NoSuchModel"));
#endif
}

// One engine a process: threads are processes here.
TEST(SimgridReferenceTest, ManyThreadsMayAskAtOnce) {
  NEED_SIMGRID();
  std::vector<std::jthread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([t] {
      Traffic traffic({50e9});
      Add(traffic, {.bytes = t * kMegabyte}, {0});
      EXPECT_EQ(Solve(traffic).makespan, t * 20 * kMicrosecond);
    });
  }
}

}  // namespace
}  // namespace ridgeline::network
