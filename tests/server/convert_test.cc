/// What goes over the wire comes back the same: structs, rendered bytes, errors with their
/// excerpts.
#include "service/api/convert.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>
#include <ridgeline/v1/types.pb.h>

#include "base/diagnostic.h"
#include "base/document.h"
#include "service/api/diagnostic_message.h"
#include "service/api/grpc_status.h"

namespace ridgeline::api {
namespace {

/// By way of bytes, as on the wire.
template <class Message, class Value>
Value RoundTrip(const Value& value) {
  Message sent;
  ToMessage(value, sent);
  Message received;
  EXPECT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  return FromMessage(received);
}

/// An error with everything that one can have.
Error FullError() {
  const auto source = std::make_shared<const SourceText>(
      SourceText{.name = "a.yaml", .text = "first: 1\nsecond:\n  bandwidth: 400\n"});
  return {.code = ErrorCode::kInvalidArgument,
          .message = "bandwidth needs a unit: 400",
          .where = SourceLocation{.source = source, .line = 3, .column = 14, .length = 3},
          .hint = "write 400 Gb/s",
          .path = "second.bandwidth",
          .notes = {{.message = "the block begins here",
                     .where = SourceLocation{.source = source, .line = 2, .column = 1}},
                    {.message = "no place", .where = {}}},
          .others = {{.code = ErrorCode::kUnimplemented,
                      .message = "not built yet: this",
                      .others = {{.code = ErrorCode::kNotFound, .message = "unknown GPU: b100"}}}}};
}

sim::Report FullReport() {
  return {
      .kind = sim::ReportKind::kServing,
      .title = "a title, ± and all",
      .settings = {{"serving.tp", "4"}, {"serving.replicas", "2"}},
      .metrics = {{.name = "ttft.p99",
                   .value = 0.1 + 0.2,
                   .unit = "s",
                   .low = 5e-324,
                   .high = std::numeric_limits<double>::infinity(),
                   .evidence = Evidence::kExtrapolated},
                  {.name = "memory.fits", .value = -0.0, .unit = "1"}},
      .time = {{.name = "matmul", .title = "matrix multiplication", .value = 1.5}},
      .memory = {{.name = "weights", .title = "weights", .value = 8e9}},
      .calibration =
          sim::UsedCalibration{
              .name = "h100-sxm", .sha256 = "ab", .gpu = "h100-sxm", .is_transferred = true},
      .evidence = {0.5, 0.25, 0.125, 0.125},
      .unmeasured = {{.what = "scan 1 MB", .share = 0.125, .evidence = Evidence::kExtrapolated}},
      .operations = {{.name = "layer forward: down",
                      .bound = "compute",
                      .intensity = 512.0,
                      .seconds = 0.25,
                      .share = 0.5,
                      .of_bound = 0.75}},
      .communication = {{.name = "tensor",
                         .busy = 0.5,
                         .exposed = 0.125,
                         .bytes = 1e9,
                         .ranks = 8,
                         .where = "inside a node"}},
      .assumptions = {{.what = "HBM", .value = "0.92 of peak", .source = "a paper"}},
      .warnings = {FullError()},
      .fits = false};
}

void ExpectEqual(const sim::Report& a, const sim::Report& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.title, b.title);
  EXPECT_EQ(a.settings, b.settings);
  ASSERT_EQ(a.metrics.size(), b.metrics.size());
  for (size_t i = 0; i < a.metrics.size(); ++i) {
    EXPECT_EQ(a.metrics[i].name, b.metrics[i].name);
    EXPECT_EQ(a.metrics[i].value, b.metrics[i].value);
    EXPECT_EQ(std::signbit(a.metrics[i].value), std::signbit(b.metrics[i].value));
    EXPECT_EQ(a.metrics[i].unit, b.metrics[i].unit);
    EXPECT_EQ(a.metrics[i].low, b.metrics[i].low);
    EXPECT_EQ(a.metrics[i].high, b.metrics[i].high);
    EXPECT_EQ(a.metrics[i].evidence, b.metrics[i].evidence);
  }
  ASSERT_EQ(a.time.size(), b.time.size());
  EXPECT_EQ(a.time[0].name, b.time[0].name);
  EXPECT_EQ(a.time[0].title, b.time[0].title);
  EXPECT_EQ(a.time[0].value, b.time[0].value);
  ASSERT_EQ(a.memory.size(), b.memory.size());
  EXPECT_EQ(a.memory[0].value, b.memory[0].value);
  EXPECT_EQ(a.calibration, b.calibration);
  EXPECT_EQ(a.evidence, b.evidence);
  ASSERT_EQ(a.unmeasured.size(), b.unmeasured.size());
  EXPECT_EQ(a.unmeasured[0].what, b.unmeasured[0].what);
  EXPECT_EQ(a.unmeasured[0].share, b.unmeasured[0].share);
  EXPECT_EQ(a.unmeasured[0].evidence, b.unmeasured[0].evidence);
  ASSERT_EQ(a.operations.size(), b.operations.size());
  for (size_t i = 0; i < a.operations.size(); ++i) {
    EXPECT_EQ(a.operations[i].name, b.operations[i].name);
    EXPECT_EQ(a.operations[i].bound, b.operations[i].bound);
    EXPECT_EQ(a.operations[i].intensity, b.operations[i].intensity);
    EXPECT_EQ(a.operations[i].seconds, b.operations[i].seconds);
    EXPECT_EQ(a.operations[i].share, b.operations[i].share);
    EXPECT_EQ(a.operations[i].of_bound, b.operations[i].of_bound);
  }
  ASSERT_EQ(a.communication.size(), b.communication.size());
  for (size_t i = 0; i < a.communication.size(); ++i) {
    EXPECT_EQ(a.communication[i].name, b.communication[i].name);
    EXPECT_EQ(a.communication[i].busy, b.communication[i].busy);
    EXPECT_EQ(a.communication[i].exposed, b.communication[i].exposed);
    EXPECT_EQ(a.communication[i].bytes, b.communication[i].bytes);
    EXPECT_EQ(a.communication[i].ranks, b.communication[i].ranks);
    EXPECT_EQ(a.communication[i].where, b.communication[i].where);
  }
  ASSERT_EQ(a.assumptions.size(), b.assumptions.size());
  EXPECT_EQ(a.assumptions[0].what, b.assumptions[0].what);
  EXPECT_EQ(a.assumptions[0].value, b.assumptions[0].value);
  EXPECT_EQ(a.assumptions[0].source, b.assumptions[0].source);
  ASSERT_EQ(a.warnings.size(), b.warnings.size());
  EXPECT_EQ(RenderError(a.warnings[0]), RenderError(b.warnings[0]));
  EXPECT_EQ(a.fits, b.fits);
}

TEST(ConvertTest, AReportKeepsEveryField) {
  const sim::Report report = FullReport();
  ExpectEqual(RoundTrip<v1::Report>(report), report);
}

TEST(ConvertTest, ASimulationResultKeepsSeedInputsAndTargets) {
  const report::SimulationResult result{.report = FullReport(),
                                        .seed = std::numeric_limits<uint64_t>::max(),
                                        .inputs = {{.name = "a.yaml", .sha256 = "00"}},
                                        .targets = {{.target = {.metric = "ttft.p99",
                                                                .is_upper_bound = false,
                                                                .value = 2,
                                                                .written = "ttft.p99>=2 s"},
                                                     .value = 1,
                                                     .unit = "s",
                                                     .is_met = true}}};
  const report::SimulationResult back = RoundTrip<v1::SimulationResult>(result);
  for (const auto format : {report::OutputFormat::kTable, report::OutputFormat::kWide,
                            report::OutputFormat::kJson, report::OutputFormat::kMarkdown}) {
    EXPECT_EQ(report::Render(back, format), report::Render(result, format));
  }
  EXPECT_EQ(back.seed, result.seed);
  EXPECT_EQ(back.inputs[0].sha256, "00");
  EXPECT_EQ(back.targets[0].target.written, "ttft.p99>=2 s");
  EXPECT_FALSE(back.targets[0].target.is_upper_bound);
  EXPECT_TRUE(back.targets[0].is_met);
}

TEST(ConvertTest, APlanKeepsEveryField) {
  report::PlanResult result;
  planner::Plan& plan = result.plan;
  plan.title = "title";
  plan.objective = "step_time";
  plan.is_minimized = false;
  plan.targets = {{.metric = "mfu", .value = 0.4, .written = "mfu>=40 %"}};
  plan.is_feasible = true;
  plan.is_partial = true;
  plan.candidates = {{.settings = {{"training.parallelism.tp", "4"}}, .report = FullReport()}};
  plan.counts = {.considered = 15, .illegal = 1, .out_of_memory = 2, .bounded = 4, .evaluated = 8};
  plan.searched = {"training.parallelism.tp: 1, 2, 4"};
  plan.floor = 1e308;
  plan.gap = 0.09;
  plan.why_not = {"tp 8: 3 heads"};
  result.seed = 3;
  const report::PlanResult back = RoundTrip<v1::PlanResult>(result);
  EXPECT_EQ(back.plan.title, plan.title);
  EXPECT_EQ(back.plan.objective, plan.objective);
  EXPECT_FALSE(back.plan.is_minimized);
  EXPECT_EQ(back.plan.targets[0].written, "mfu>=40 %");
  EXPECT_TRUE(back.plan.is_feasible);
  EXPECT_TRUE(back.plan.is_partial);
  EXPECT_EQ(back.plan.candidates[0].settings, plan.candidates[0].settings);
  ExpectEqual(back.plan.candidates[0].report, plan.candidates[0].report);
  EXPECT_EQ(back.plan.counts, plan.counts);
  EXPECT_EQ(back.plan.searched, plan.searched);
  EXPECT_EQ(back.plan.floor, plan.floor);
  EXPECT_EQ(back.plan.gap, plan.gap);
  EXPECT_EQ(back.plan.why_not, plan.why_not);
  EXPECT_EQ(back.seed, 3U);
}

TEST(ConvertTest, AWhatIfKeepsReportsErrorsAndCauses) {
  report::WhatIfResult result;
  result.what_if.base = FullReport();
  result.what_if.metric = "e2el.mean";
  planner::Variant done;
  done.changes = {{"b", "2"}, {"a", "1"}};  // in this order
  done.report = FullReport();
  done.explained_by = {{.name = "tensor", .title = "tensor parallel", .change = -1.25}};
  planner::Variant refused;
  refused.error = FullError();
  result.what_if.variants = {done, refused};
  const report::WhatIfResult back = RoundTrip<v1::WhatIfResult>(result);
  EXPECT_EQ(back.what_if.metric, "e2el.mean");
  ASSERT_EQ(back.what_if.variants.size(), 2U);
  EXPECT_EQ(back.what_if.variants[0].changes, done.changes);
  ExpectEqual(*back.what_if.variants[0].report, *done.report);
  EXPECT_EQ(back.what_if.variants[0].explained_by[0].change, -1.25);
  EXPECT_FALSE(back.what_if.variants[1].report.has_value());
  EXPECT_EQ(RenderError(*back.what_if.variants[1].error), RenderError(*refused.error));
}

TEST(DiagnosticMessageTest, AnErrorRendersTheSameOnTheOtherSide) {
  v1::Diagnostic message;
  ToMessage(FullError(), Severity::kError, message);
  EXPECT_EQ(message.document(), "a.yaml");
  EXPECT_EQ(message.line(), 3);
  EXPECT_EQ(message.column(), 14);
  const Error back = FromMessage(message);
  EXPECT_EQ(RenderError(back), RenderError(FullError()));
  EXPECT_EQ(back.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(back.others[0].others[0].code, ErrorCode::kNotFound);
}

TEST(DiagnosticMessageTest, TextThatIsNotUtf8IsSpelledOut) {
  v1::Diagnostic message;
  ToMessage({.message = "bad byte: \xff."}, Severity::kError, message);
  EXPECT_EQ(message.message(), "bad byte: \\xff.");
}

TEST(GrpcStatusTest, CodeMessageAndDetailsComeBack) {
  bool is_whole = false;
  const grpc::Status status = ToStatus(FullError(), &is_whole);
  EXPECT_TRUE(is_whole);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "a.yaml:3:14: bandwidth needs a unit: 400");
  const StatusError back = FromStatus(status);
  EXPECT_TRUE(back.has_details);
  EXPECT_EQ(RenderError(back.error), RenderError(FullError()));
}

TEST(GrpcStatusTest, NeverExceedsWhatClientsAccept) {
  Error error = FullError();
  error.message = std::string(100'000, 'x');
  for (int i = 0; i < 20; ++i) {
    error.others.push_back(FullError());
  }
  bool is_whole = true;
  const grpc::Status status = ToStatus(error, &is_whole);
  EXPECT_FALSE(is_whole);
  // In base64, beside the message with every byte percent-encoded.
  EXPECT_LT(status.error_details().size() * 4 / 3 + status.error_message().size() * 3, 8000U);
}

TEST(GrpcStatusTest, AStatusThatIsNotOursKeepsItsCodeAndMessage) {
  const StatusError error = FromStatus({grpc::StatusCode::UNAVAILABLE, "connection refused"});
  EXPECT_FALSE(error.has_details);
  EXPECT_EQ(error.error.code, ErrorCode::kUnavailable);
  EXPECT_EQ(error.error.message, "connection refused");
}

}  // namespace
}  // namespace ridgeline::api
