#include "planner/validation/csv_reader.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline::validation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CsvReaderTest, ReadsBareAndQuotedFields) {
  const Result<CsvTable> table = ParseCsv("t.csv", "a,b\n1,\"x, \"\"y\"\"\"\n,\n");
  ASSERT_TRUE(table) << RenderError(table.error());
  EXPECT_THAT(table->columns, ElementsAre("a", "b"));
  ASSERT_EQ(table->rows.size(), 2u);
  EXPECT_EQ(table->rows[0].fields[1].text, "x, \"y\"");
  EXPECT_EQ(table->rows[1].fields[0].text, "");
}

TEST(CsvReaderTest, FieldsKnowWhereTheyStood) {
  const Result<CsvTable> table = ParseCsv("t.csv", "a,b\n\"two\nlines\",1\n22,333\n");
  ASSERT_TRUE(table) << RenderError(table.error());
  EXPECT_EQ(table->rows[0].fields[0].text, "two\nlines");
  // The quoted field spans lines 2 and 3; the next row stands on line 4.
  EXPECT_EQ(table->rows[1].fields[1].where.line, 4);
  EXPECT_EQ(table->rows[1].fields[1].where.column, 4);
}

TEST(CsvReaderTest, AcceptsByteOrderMarkWindowsLineBreaksAndEmptyLines) {
  const Result<CsvTable> table = ParseCsv("t.csv",
                                          "\xEF\xBB\xBF"
                                          "a,b\r\n\r\n1,2\r\n");
  ASSERT_TRUE(table) << RenderError(table.error());
  EXPECT_EQ(table->columns[0], "a");
  EXPECT_EQ(table->rows.size(), 1u);
}

struct Bad {
  const char* text;
  const char* message;
  int line;
};

class CsvReaderErrorTest : public ::testing::TestWithParam<Bad> {};

TEST_P(CsvReaderErrorTest, IsRefusedWithItsPlace) {
  const Result<CsvTable> table = ParseCsv("t.csv", GetParam().text);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(table.error().message, HasSubstr(GetParam().message));
  ASSERT_TRUE(table.error().where);
  EXPECT_EQ(table.error().where->line, GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(All, CsvReaderErrorTest,
                         ::testing::Values(Bad{"", "no header", 1},
                                           Bad{"a,b\n1\n", "1 fields and the header 2", 2},
                                           Bad{"a,b\n1,2,3\n", "3 fields and the header 2", 2},
                                           Bad{"a,a\n", "duplicate column", 1},
                                           Bad{"a,\n", "no name", 1},
                                           Bad{"a\n\"open\n", "never closed", 2},
                                           Bad{"a\n\"x\"y\n", "after the closing quote", 2},
                                           Bad{"a\nx\"y\n", "middle of a field", 2}));

TEST(CsvReaderTest, BytesThatAreNoTextAreRefusedWithTheirPlace) {
  const std::filesystem::path file = std::filesystem::path(::testing::TempDir()) / "bytes.csv";
  std::ofstream(file) << "a,b\n1,x\xFF\n";
  const Result<CsvTable> table = ReadCsv(file);
  ASSERT_FALSE(table);
  EXPECT_THAT(RenderError(table.error()), HasSubstr("bytes.csv:2:4: error: not UTF-8: byte 0xff"));
}

TEST(CsvReaderTest, MissingFilesAndDirectoriesAreErrors) {
  EXPECT_EQ(ReadCsv("no/such/file.csv").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ReadCsv(RIDGELINE_SOURCE_DIR).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace ridgeline::validation
