#include "calibration/measure/point_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace ridgeline::measure {
namespace {

class PointFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::filesystem::path folder_;
};

TEST_F(PointFileTest, FieldsOfInnerObjectsHaveTheirNameBefore) {
  const auto points = ReadPoints(Write(
      "p", R"({"op":{"op":"beside","of":{"op":"gemm","m":3},"beside":{"op":"copy","bytes":1e3}}})"
           "\n"));
  ASSERT_TRUE(points);
  const Point& point = points->at(0);
  EXPECT_EQ(point.op.Of("of").Int("m"), 3);
  EXPECT_EQ(point.op.Of("beside").Text("op"), "copy");
  EXPECT_EQ(point.op.Int("beside.bytes"), 1000);
}

TEST_F(PointFileTest, OrderOfKeysDoesNotMakeAnotherPoint) {
  const auto points = ReadPoints(Write("p", R"({"op":{"op":"gemm","m":1,"n":2}}
{"op":{"n":2,"m":1,"op":"gemm"},"condition":{}}
)"));
  ASSERT_TRUE(points);
  EXPECT_EQ(points->at(0).key, points->at(1).key);
}

TEST_F(PointFileTest, WhatIsNotAPointIsRefusedWithItsLine) {
  const auto points = ReadPoints(Write("p", "{\"op\":{\"op\":\"gemm\"}}\n{\"m\":1}\n"));
  ASSERT_FALSE(points);
  EXPECT_NE(points.error().message.find("p:2"), std::string::npos) << points.error().message;
}

TEST_F(PointFileTest, ARunThatWasCutOffGoesOnBehindItsLastWholeLine) {
  const auto points = ReadPoints(Write("p", R"({"op":{"op":"gemm","m":1}}
{"op":{"op":"gemm","m":2}}
)"));
  ASSERT_TRUE(points);
  const std::string path = (folder_ / "out").string();
  {
    ResultFile results;
    ASSERT_TRUE(results.Open(path, {.gpu = "h100-sxm", .device = "d", .driver = "v"}));
    Outcome outcome;
    outcome.time_s = 0.5;
    ASSERT_TRUE(results.Write(points->at(0), outcome));
  }
  std::ofstream(path, std::ios::app) << R"({"op":{"op":"ge)";  // killed in mid line
  ResultFile results;
  ASSERT_TRUE(results.Open(path, {.gpu = "h100-sxm", .device = "d", .driver = "v"}));
  EXPECT_TRUE(results.Has(points->at(0)));
  EXPECT_FALSE(results.Has(points->at(1)));
  Outcome skipped;
  skipped.skipped = "out of memory";
  ASSERT_TRUE(results.Write(points->at(1), skipped));
  const auto read = Read(path);
  EXPECT_NE(read.find("\"op\":\"ge\n{"), std::string::npos) << read;
  EXPECT_NE(read.find("\"skipped\":\"out of memory\""), std::string::npos) << read;
}

}  // namespace
}  // namespace ridgeline::measure
