/// Tables, percentages, hashes and numbers as the reports write them.
#include <numeric>

#include <gmock/gmock.h>

#include "service/cli/exit_code.h"
#include "service/cli/spelling.h"
#include "service/report/metric_text.h"
#include "base/sha256.h"
#include "service/report/simulation_result.h"
#include "service/report/table.h"

namespace ridgeline {
namespace {

using report::OutputFormat;
using report::PercentagesAddingTo100;
using report::Table;
using ::testing::ElementsAre;

// FIPS 180-4's examples: one block, two blocks, a million bytes; and the empty message.
TEST(Sha256Test, KnownAnswers) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Thirds round down to 33.3 each; the tenth that is left goes to the first.
TEST(PercentagesTest, AddToExactlyAHundred) {
  EXPECT_THAT(PercentagesAddingTo100({1, 1, 1}), ElementsAre(33.4, 33.3, 33.3));
  EXPECT_THAT(PercentagesAddingTo100({1, 0, 3}), ElementsAre(25.0, 0.0, 75.0));
  EXPECT_THAT(PercentagesAddingTo100({0, 0}), ElementsAre(0.0, 0.0));
  EXPECT_TRUE(PercentagesAddingTo100({}).empty());
}

TEST(TableTest, EveryFormatHoldsTheSameCells) {
  const Table table{.columns = {{"name"}, {"value", report::Align::kRight}, {"note", {}, true}},
                    .rows = {{"a", "1", "x,y"}, {"long", "22", "p|q"}}};
  EXPECT_EQ(RenderTable(table, OutputFormat::kTable), "name  value\na         1\nlong     22\n");
  EXPECT_EQ(RenderTable(table, OutputFormat::kWide),
            "name  value  note\na         1  x,y\nlong     22  p|q\n");
  EXPECT_EQ(RenderTable(table, OutputFormat::kCsv), "name,value,note\na,1,\"x,y\"\nlong,22,p|q\n");
  EXPECT_EQ(
      RenderTable(table, OutputFormat::kMarkdown),
      "| name | value | note |\n| --- | ---: | --- |\n| a | 1 | x,y |\n| long | 22 | p\\|q |\n");
  EXPECT_EQ(RenderTable(table, OutputFormat::kJsonl),
            "{\"name\":\"a\",\"value\":1,\"note\":\"x,y\"}\n"
            "{\"name\":\"long\",\"value\":22,\"note\":\"p|q\"}\n");
}

TEST(TableTest, WidthCountsCharactersNotBytes) {
  EXPECT_EQ(report::DisplayWidth("± 5 %"), 5u);
  EXPECT_EQ(report::DisplayWidth(report::Bar(0.5, 8)), 4u);
  // 3/16 of 8 columns are 1.5: one full block and a half.
  EXPECT_EQ(report::Bar(3.0 / 16, 8), "█▌");
  EXPECT_EQ(report::Bar(2.0, 3), "███");
}

TEST(MetricTextTest, NumbersAsPeopleWriteThem) {
  EXPECT_EQ(report::ValueText(471'234, "tokens/s"), "471 k tokens/s");
  EXPECT_EQ(report::ValueText(999'600, "tokens/s"), "1 M tokens/s");
  EXPECT_EQ(report::MetricText({.name = "mfu", .value = 0.4213, .unit = "1"}, 0.4213), "42.1 %");
  EXPECT_EQ(report::ValueText(1, "1"), "1");
  EXPECT_EQ(report::ExactNumber(0.1), "0.1");
}

TEST(ExitCodeTest, AMistakeBesideSomethingUnbuiltIsAMistake) {
  Error unbuilt{.code = ErrorCode::kUnimplemented, .message = "not built yet"};
  EXPECT_EQ(cli::ExitCodeOf(unbuilt), cli::kExitNotBuilt);
  unbuilt.others.push_back({.code = ErrorCode::kInvalidArgument, .message = "wrong"});
  EXPECT_EQ(cli::ExitCodeOf(unbuilt), cli::kExitUsage);
}

TEST(SpellingTest, FindsTheCommandBehindFlagsWithValues) {
  EXPECT_EQ((*cli::NamedCommand({"-o", "json", "list", "gpus"}))->name, "list");
  EXPECT_EQ((*cli::NamedCommand({"--output=json", "-q", "check", "x"}))->name, "check");
  EXPECT_EQ((*cli::NamedCommand({}))->name, "help");
  EXPECT_FALSE(cli::NamedCommand({"lits"}).has_value());
}

}  // namespace
}  // namespace ridgeline
