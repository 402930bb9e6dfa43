// Does the closed form tell what it was not fitted to? Folds are fitted again here, in C++.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "hardware/collective_library.h"
#include "planner/validation/collective_folds.h"
#include "sim/network/fit_collectives.h"

namespace ridgeline::validation {
namespace {

const std::filesystem::path kConfigs = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs";

const hardware::Catalog& Shipped() {
  static const hardware::Catalog catalog({kConfigs});
  return catalog;
}

Result<CollectiveFolds> Evaluate() {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(kConfigs / "validation" / "collectives.yaml"));
  ASSIGN_OR_RETURN(const MeasuredCollectives suite,
                   ReadMeasuredCollectives(document, kConfigs / "validation"));
  return EvaluateCollectives(suite, Shipped());
}

class CollectiveFoldsTest : public ::testing::Test {
 protected:
  static const CollectiveFolds& Folds() {
    static const Result<CollectiveFolds> folds = Evaluate();
    EXPECT_TRUE(folds.has_value()) << (folds ? "" : RenderError(folds.error()));
    return *folds;
  }

  static Accuracy Of(const std::string& name) {
    for (const Group& group : Folds().suite.groups) {
      if (group.of.name == name) {
        std::printf(
            "%-42s %4lld points, median %4.1f %%, p90 %4.1f %%, bias %+.1f %%, covered %.0f %%\n",
            name.c_str(), static_cast<long long>(group.accuracy.scored),
            100 * *group.accuracy.median_error, 100 * *group.accuracy.p90_error,
            100 * *group.accuracy.bias, 100 * *group.accuracy.coverage);
        return group.accuracy;
      }
    }
    ADD_FAILURE() << "no line " << name;
    return {};
  }

  static void ExpectWithin(const std::string& fold, double small, double large) {
    EXPECT_LE(Of(fold + " held out, <= 4 MiB").median_error, small) << fold;
    EXPECT_LE(Of(fold + " held out, > 4 MiB").median_error, large) << fold;
  }
};

TEST_F(CollectiveFoldsTest, FourGpusAreToldFromTwoAndEight) { ExpectWithin("4 GPUs", 0.15, 0.06); }

TEST_F(CollectiveFoldsTest, EachGpuIsToldFromTheOtherTwoAndItsLinkConstants) {
  ExpectWithin("A100", 0.15, 0.06);
  ExpectWithin("H100", 0.15, 0.06);
  ExpectWithin("H200", 0.15, 0.06);
}

TEST_F(CollectiveFoldsTest, PublishedRowsOverNodesThatWereNotFittedAreWithinTwelvePercent) {
  std::vector<double> errors;
  for (const CaseOutcome& c : Folds().suite.cases) {
    if (c.group == "nodes" && c.is_held_out && c.is_scored()) {
      errors.push_back(std::abs(c.SignedError()));
    }
  }
  ASSERT_GT(errors.size(), 80U);
  std::ranges::sort(errors);
  Of("nodes held out, <= 4 MiB");
  Of("nodes held out, > 4 MiB");
  EXPECT_LE(errors[errors.size() / 2], 0.12);
}

TEST_F(CollectiveFoldsTest, EnginesOwnAllReducesOfFourGpusAreToldFromTwoAndEight) {
  EXPECT_LE(Of("engines held out, <= 4 MiB").median_error, 0.15);
}

// A range is earned on other folds, so that it may cover less than nine in ten; it should not cover
// all.
TEST_F(CollectiveFoldsTest, RangesEarnedElsewhereCoverMostOfWhatIsHeldOut) {
  double covered = 0;
  double points = 0;
  for (const CaseOutcome& c : Folds().suite.cases) {
    if (c.is_held_out && c.is_scored() && c.group != "published, one node") {
      covered += c.low <= c.measured && c.measured <= c.high ? 1 : 0;
      ++points;
    }
  }
  std::printf("%.0f of %.0f points held out are covered: %.0f %%\n", covered, points,
              100 * covered / points);
  EXPECT_GE(covered / points, 0.80);
  EXPECT_LE(covered / points, 0.97);
}

void ExpectEqual(const char* what, const std::optional<hardware::TimeCorrection>& shipped,
                 const std::optional<hardware::TimeCorrection>& fitted) {
  ASSERT_EQ(shipped.has_value(), fitted.has_value()) << what;
  if (!shipped) {
    return;
  }
  const auto near = [what](const char* factor, double written, double found) {
    EXPECT_NEAR(written, found, 2e-3 * std::max(1e-3, found)) << what << " " << factor;
  };
  near("base", shipped->base, fitted->base);
  near("step", shipped->step, fitted->step);
  near("growth", shipped->growth, fitted->growth);
  near("rate", shipped->rate, fitted->rate);
  near("copy", shipped->copy, fitted->copy);
  near("fill", shipped->fill, fitted->fill);
  near("free", shipped->free.base(), fitted->free.base());
  near("channel", shipped->channel, fitted->channel);
}

// configs/collectives holds what the fit gives, to 0.2 %.
TEST_F(CollectiveFoldsTest, ShippedFactorsAreThoseThatTheFitGives) {
  const auto library = Shipped().ResolveCollectives("nccl-2.30.7").value();
  for (const network::FitPlan& plan : network::FitPlans()) {
    for (const CollectiveProtocol protocol :
         {CollectiveProtocol::kLl, CollectiveProtocol::kLl128, CollectiveProtocol::kSimple}) {
      const auto of = [&](const hardware::CollectiveCorrections& corrections) {
        return (plan.is_one_node ? corrections.one_node : corrections.nodes)
            .Of(plan.algorithm)
            ->In(protocol);
      };
      ExpectEqual(std::string(AlgorithmName(plan.algorithm)).c_str(), of(library->corrections),
                  of(Folds().shipped));
    }
  }
  EXPECT_NEAR(library->corrections.launch.base(), Folds().shipped.launch.base(), 1e-8);
  ASSERT_EQ(library->corrections.one_node_errors.size(), Folds().shipped.one_node_errors.size());
  for (size_t i = 0; i < Folds().shipped.one_node_errors.size(); ++i) {
    EXPECT_NEAR(library->corrections.one_node_errors[i].low, Folds().shipped.one_node_errors[i].low,
                1e-3);
    EXPECT_NEAR(library->corrections.one_node_errors[i].high,
                Folds().shipped.one_node_errors[i].high, 1e-3);
  }
}

// Times made by known factors give them back: base 2, step 3, rate 0.8 of a ring with steps of
// 1 us, base 5 us, 100 GB/s. Fill starts at 1 % of what it would be and stays small.
TEST(FitCollectivesTest, FactorsOfMadeTimesAreFoundAgain) {
  network::FitPlan plan{.algorithm = CollectiveAlgorithm::kRing,
                        .protocol = CollectiveProtocol::kSimple,
                        .free = {.base = true, .step = true, .rate = true},
                        .start = {}};
  const hardware::TimeCorrection truth{.base = 2, .step = 3, .rate = 0.8};
  std::vector<network::FitPoint> points;
  for (const double ranks : {2.0, 4.0, 8.0}) {
    for (double bytes = 1024; bytes < 1e9; bytes *= 4) {
      network::FitPoint point{.terms = {}, .size = Bytes::FromBase(bytes), .measured = {}};
      point.terms.base = Seconds::FromBase(5e-6);
      point.terms.steps = Seconds::FromBase(1e-6 * (ranks - 1));
      point.terms.bus = BytesPerSecond::FromBase(100e9);
      point.terms.sent = (ranks - 1) / ranks;
      point.measured = network::Corrected(point.terms, point.size, truth).total();
      points.push_back(point);
    }
  }
  const hardware::TimeCorrection found = network::FitCorrection(points, plan);
  EXPECT_NEAR(found.base, 2, 0.02);
  EXPECT_NEAR(found.step, 3, 0.03);
  EXPECT_NEAR(found.rate, 0.8, 0.002);
}

// Nothing measured: the library's own constants stand.
TEST(FitCollectivesTest, AFactorThatNoPointTellsOfStaysAtOne) {
  network::FitPlan plan{.free = {.base = true, .step = true, .rate = true}, .start = {}};
  const hardware::TimeCorrection found = network::FitCorrection({}, plan);
  EXPECT_EQ(found, hardware::TimeCorrection{});
}

}  // namespace
}  // namespace ridgeline::validation
