// The network's fidelities side by side: cases that must agree, slowdowns by hand, and that a wrong
// expectation, a wrong referee and a wrong file are told.
#include "planner/validation/network_agreement.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/measured_sharing.h"
#include "planner/validation/network_tables.h"
#include "sim/engine/flow_engine.h"
#include "sim/network/collective_plan.h"
#include "sim/network/simgrid_reference.h"

namespace ridgeline::validation {
namespace {

const std::filesystem::path kConfigs = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs";

const hardware::Catalog& Shipped() {
  static const hardware::Catalog catalog({kConfigs});
  return catalog;
}

/// Where SimGrid is not installed.
class NoReferee final : public engine::TrafficRunner {
 public:
  Result<engine::FlowTimes> Run(const engine::Traffic&, const Stop&) const override {
    return Unimplemented("ridgeline-simgrid is not installed", "install it");
  }
};

/// Our engine with all ends later by a share.
class LateReferee final : public engine::TrafficRunner {
 public:
  explicit LateReferee(double share) : share_(share) {}
  Result<engine::FlowTimes> Run(const engine::Traffic& traffic, const Stop& stop) const override {
    return engine::FlowEngine().Run(traffic, stop).map([this](engine::FlowTimes times) {
      for (engine::Picoseconds& end : times.end) {
        end += static_cast<engine::Picoseconds>(share_ * static_cast<double>(end));
      }
      times.makespan +=
          static_cast<engine::Picoseconds>(share_ * static_cast<double>(times.makespan));
      return times;
    });
  }

 private:
  double share_;
};

Result<NetworkSuite> Read(const std::string& cases) {
  ASSIGN_OR_RETURN(const Node document,
                   ParseDocument("network.yaml",
                                 "kind: network-agreement\nname: n\nsource: s\n"
                                 "cases:\n" +
                                     cases));
  return ReadNetworkSuite(document, kConfigs / "validation");
}

SuiteOutcome Evaluate(const std::string& cases, const engine::TrafficRunner& referee) {
  const Result<NetworkSuite> suite = Read(cases);
  EXPECT_TRUE(suite.has_value()) << RenderError(suite.error());
  Result<SuiteOutcome> outcome = EvaluateNetwork(*suite, Shipped(), referee, {});
  EXPECT_TRUE(outcome.has_value()) << RenderError(outcome.error());
  return *std::move(outcome);
}

Result<NetworkSuite> ShippedSuite() {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(kConfigs / "validation" / "network.yaml"));
  return ReadNetworkSuite(document, kConfigs / "validation");
}

constexpr const char* kRing =
    "  - {id: ring, cluster: h100-64, collective: {kind: all_reduce, bytes: 1 GiB, ranks: 64, "
    "ranks_per_node: 8}}\n";
constexpr const char* kTree =
    "{nodes: dgx-h100, count: 8, fabric: {kind: fat-tree, bandwidth: 400 Gb/s, latency: 3 us, "
    "oversubscription: 2, nodes_per_leaf: 4}}";

// All that ships holds, with SimGrid where it is installed and without it.
TEST(NetworkAgreementTest, ShippedCasesAgreeWhereTheyMustAndSlowByWhatWasWorkedOut) {
  const NetworkSuite suite = ShippedSuite().value();
#ifdef RIDGELINE_SIMGRID_PROGRAM
  const network::SimgridReference referee({.program = RIDGELINE_SIMGRID_PROGRAM});
  constexpr size_t kLeastReferred = 40;
#else
  const NoReferee referee;
  constexpr size_t kLeastReferred = 0;
#endif
  const SuiteOutcome outcome = EvaluateNetwork(suite, Shipped(), referee, {}).value();
  size_t slowed = 0;
  size_t referred = 0;
  for (const AgreementRow& row : outcome.agreement) {
    ASSERT_TRUE(row.flow.has_value()) << row.id << " " << row.no_flow;
    EXPECT_LE(std::abs(row.FlowDifference()), suite.agree) << row.id;
    slowed += row.slowdown > 1 ? 1 : 0;
    if (row.simgrid) {
      EXPECT_LE(std::abs(row.SimgridDifference()), suite.referee) << row.id;
      ++referred;
    } else {
      EXPECT_FALSE(row.no_simgrid.empty()) << row.id;
    }
  }
  EXPECT_GE(outcome.agreement.size(), 45U);
  EXPECT_GE(slowed, 15U);
  EXPECT_GE(referred, kLeastReferred);
  EXPECT_EQ(outcome.CountOutsideTolerance(), 0);
}

TEST(NetworkAgreementTest, WithoutSimGridTheColumnSaysSoAndTheSuiteHolds) {
  const SuiteOutcome outcome = Evaluate(kRing, NoReferee());
  EXPECT_EQ(outcome.CountOutsideTolerance(), 0);
  EXPECT_NE(NetworkTables(outcome, TextStyle::kTable).find("ridgeline-simgrid is not installed"),
            std::string::npos);
}

// All 32 ports of a leaf of 4 nodes send up, over 16 b: 2. Whoever expects agreement, or 1.9, is
// told; so is who expects 2.1 or more.
TEST(NetworkAgreementTest, AWrongExpectationIsOutsideItsTolerance) {
  const auto outside = [](const std::string& expected) {
    return Evaluate(std::string("  - {id: across, because: by hand, ") + expected +
                        ", cluster: " + kTree +
                        ", collective: {kind: send, bytes: 1 GiB, ranks: 2, node_stride: "
                        "4}}\n",
                    NoReferee())
        .CountOutsideTolerance();
  };
  EXPECT_EQ(outside("slowdown: 2"), 0);
  EXPECT_EQ(outside("slowdown: 1.5, or_more: true"), 0);
  EXPECT_EQ(outside("slowdown: 1"), 1);
  EXPECT_EQ(outside("slowdown: 1.9"), 1);
  EXPECT_EQ(outside("slowdown: 2.1, or_more: true"), 1);
}

TEST(NetworkAgreementTest, ARefereeThatDiffersByMoreThanAPercentIsTold) {
  EXPECT_EQ(Evaluate(kRing, LateReferee(0.005)).CountOutsideTolerance(), 0);
  EXPECT_EQ(Evaluate(kRing, LateReferee(0.02)).CountOutsideTolerance(), 1);
}

// A cluster too small is a mistake: the tolerance is left unchecked, which counts.
TEST(NetworkAgreementTest, ACaseThatCannotRunIsListedAndCounts) {
  const SuiteOutcome outcome = Evaluate(
      "  - {id: large, cluster: h100-8, collective: {kind: all_reduce, bytes: 1 GiB, ranks: 64, "
      "ranks_per_node: 8}}\n",
      NoReferee());
  EXPECT_GT(outcome.CountOutsideTolerance(), 0);
  ASSERT_EQ(outcome.agreement.size(), 1U);
  EXPECT_FALSE(outcome.agreement[0].no_flow.empty());
}

TEST(NetworkAgreementTest, WhatCannotBeComparedIsRefusedWhereItStands) {
  const auto refused = [](const std::string& one, const std::string& words) {
    const Result<NetworkSuite> suite = Read(one);
    ASSERT_FALSE(suite.has_value()) << one;
    EXPECT_NE(RenderError(suite.error()).find(words), std::string::npos)
        << RenderError(suite.error());
    EXPECT_TRUE(suite.error().where.has_value());
  };
  refused("  - {id: a, cluster: h100-8}\n", "one of collective and traffic");
  refused(
      "  - {id: a, cluster: h100-8, slowdown: 2, collective: {kind: send, bytes: 1 MB, ranks: "
      "2}}\n",
      "a slowdown without a reason");
  refused(
      "  - {id: a, cluster: h100-8, collective: {kind: all_reduce, algorithm: tree, bytes: 1 "
      "MB, ranks: 2}}\n",
      "no agreement is known for tree");
}

// Two sends the same way back to back: each waits its latency and ramp, then both share the link.
// They start together, so that it is latency + ramp + 2 wire, over latency + ramp + wire. Opposite
// ways they share nothing.
TEST(MeasuredSharingTest, TwoSendsShareTheLinkOneWayAndNothingBothWays) {
  const hardware::Cluster cluster =
      Shipped()
          .ResolveCluster({.name = "h200-8", .inline_map = {}, .where = {}, .path = {}})
          .value();
  const Bytes bytes = Bytes::FromBase(256e6);
  const Seconds time = Seconds::FromBase(1e-3);
  const std::vector<SharingRow> rows =
      PredictSharing({{.operations = {"send"}, .bytes = bytes, .times = {time}},
                      {.operations = {"send_back"}, .bytes = bytes, .times = {time}},
                      {.operations = {"send", "send"}, .bytes = bytes, .times = {time, 3 * time}},
                      {.operations = {"send", "send_back"}, .bytes = bytes, .times = {time, time}},
                      {.operations = {"broadcast", "broadcast"},
                       .bytes = bytes,
                       .times = {time, time}}},  // not measured alone: no row
                     cluster, {})
          .value();
  const network::CollectivePlan plan = network::PlanOf(
      {.kind = CollectiveKind::kSend, .bytes = bytes, .group = {.ranks = 2, .ranks_per_node = 2}},
      cluster);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_NEAR(rows[0].predicted_alone.base(), plan.time().base(), 1e-9);
  EXPECT_NEAR(rows[0].predicted.base(), (plan.time() + plan.wire).base(), 1e-9);
  EXPECT_DOUBLE_EQ(rows[0].measured_slowdown(), 2.0);  // the mean of 1 and 3 ms
  EXPECT_NEAR(rows[1].predicted_slowdown(), 1.0, 1e-9);
  EXPECT_NEAR(rows[2].predicted_slowdown(), 1.0, 1e-9);
}

// Nothing is fitted to these: the bound says when the model itself moves.
TEST(MeasuredSharingTest, MeasuredSlowdownsAreToldWithinAQuarter) {
  const NetworkSuite suite = ShippedSuite().value();
  ASSERT_EQ(suite.measured.size(), 1U);
  const std::vector<SharingRow> rows =
      PredictSharing(suite.measured[0].mixes,
                     Shipped().ResolveCluster(suite.measured[0].described.cluster).value(), {})
          .value();
  EXPECT_EQ(rows.size(), 28U);
  std::vector<double> errors;
  for (const SharingRow& row : rows) {
    errors.push_back(std::abs(row.Difference()));
  }
  std::ranges::sort(errors);
  EXPECT_LE(errors[errors.size() / 2], 0.09);
  EXPECT_LE(errors.back(), 0.27);
}

}  // namespace
}  // namespace ridgeline::validation
