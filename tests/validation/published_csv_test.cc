#include "planner/validation/published_csv.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHeader =
    "id,source,model,layers,hidden,heads,seq,gpu,num_gpus,tp,pp,micro_batch,global_batch,precision,"
    "metric_name,metric_value,notes\n";

Result<std::vector<PublishedRow>> Rows(const std::string& lines) {
  const Result<CsvTable> table = ParseCsv("rows.csv", kHeader + lines);
  return table ? ReadPublishedRows(*table) : Fail(table.error());
}

TEST(MoeTokenTest, ReadsExpertsTopSharedAndWidth) {
  EXPECT_EQ(
      ParseMoeToken("256exp_top8_shared1_ffn2048"),
      (MoeToken{.experts = 256, .experts_per_token = 8, .shared_experts = 1, .expert_ffn = 2048}));
}

TEST(MoeTokenTest, RefusesWhatIsIncompleteOrUnsound) {
  for (const char* text :
       {"", "8exp", "8exp_top2_shared0", "8exp_top9_shared0_ffn128", "0exp_top0_shared0_ffn128",
        "8exp_top2_shared0_ffn128x", "exp_top2_shared0_ffn128"}) {
    EXPECT_FALSE(ParseMoeToken(text)) << text;
  }
}

TEST(PublishedCsvTest, ReadsNumbersTokensAndWhatIsNotStated) {
  const auto rows = Rows(
      "a,s,m,4,1024,8,2048,H100,8,2,1,,16,bf16,step_time_s,1.5,"
      "core=1; gated_mlp=0; moe=8exp_top2_shared0_ffn512; head_dim=64; SP\n");
  ASSERT_TRUE(rows) << RenderError(rows.error());
  const PublishedRow& row = rows->front();
  EXPECT_EQ(row.layers, 4);
  EXPECT_FALSE(row.micro_batch);
  EXPECT_FALSE(row.vocab);
  EXPECT_EQ(row.gated_mlp, false);
  EXPECT_EQ(row.moe->experts, 8);
  EXPECT_EQ(row.head_dim, 64);
  EXPECT_TRUE(row.is_core);
  EXPECT_DOUBLE_EQ(row.metric_value, 1.5);
}

TEST(PublishedCsvTest, AllBadCellsAreReportedAtOnceWithTheirPlaces) {
  const auto rows = Rows(
      "a,s,m,four,1024,8,2048,H100,8,2,1,1,16,bf16,step_time_s,1.5,\n"
      "a,s,m,4,1024,8,2048,H100,0,2,1,1,16,bf16,step_time_s,nan,\n");
  ASSERT_FALSE(rows);
  const std::string text = RenderError(rows.error());
  EXPECT_THAT(text, HasSubstr("rows.csv:2:7: error: expected a whole number"));
  EXPECT_THAT(text, HasSubstr("column num_gpus: 0"));
  EXPECT_THAT(text, HasSubstr("column metric_value: nan"));
  EXPECT_THAT(text, HasSubstr("duplicate id: a"));
}

TEST(PublishedCsvTest, TokensOfYesAndNoAreOneOrZero) {
  const auto rows = Rows("a,s,m,4,1024,8,2048,H100,8,2,1,1,16,bf16,step_time_s,1.5,gated_mlp=no\n");
  ASSERT_FALSE(rows);
  EXPECT_THAT(RenderError(rows.error()), HasSubstr("expected 0 or 1 in gated_mlp: no"));
}

TEST(PublishedCsvTest, AMissingColumnIsNamed) {
  const Result<CsvTable> table = ParseCsv("rows.csv", "id,source\n");
  ASSERT_TRUE(table);
  EXPECT_THAT(RenderError(ReadPublishedRows(*table).error()), HasSubstr("missing column: layers"));
}

TEST(PublishedCsvTest, ShippedTablesHaveAllTheirRows) {
  const std::filesystem::path folder =
      std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "validation";
  for (const auto& [name, count] :
       {std::pair{"training.csv", 224u}, {"training_sweeps.csv", 185u}}) {
    const Result<CsvTable> table = ReadCsv(folder / name);
    ASSERT_TRUE(table) << RenderError(table.error());
    const auto rows = ReadPublishedRows(*table);
    ASSERT_TRUE(rows) << RenderError(rows.error());
    EXPECT_EQ(rows->size(), count) << name;
  }
}

}  // namespace
}  // namespace ridgeline::validation
