#include "sim/trace/chakra_format.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline::trace {
namespace {

using testing::HasSubstr;

std::string Written(const std::vector<ChakraNode>& nodes) {
  std::ostringstream out;
  ChakraWriter writer(out);
  for (const ChakraNode& node : nodes) {
    writer.Write(node);
  }
  return std::move(out).str();
}

// By hand, from et_def.proto. Metadata: 7 bytes, field 1 (0x0a), length 5, "0.0.4". Node: id 1 is
// 08 01; name "a" 12 01 61; type COMP 18 04; data_deps packed 2a 01 00; duration 300 is 38 ac 02;
// attr 52 04+: is_cpu_op false: name 0a 09 ..., bool field 27 is tag 216 = d8 01, 00.
TEST(ChakraFormatTest, BytesAreThoseOfTheSchema) {
  const ChakraNode node = {.id = 1,
                           .name = "a",
                           .type = ChakraNodeType::kCompute,
                           .data_dependencies = {0},
                           .duration_micros = 300,
                           .attributes = {{"is_cpu_op", false}}};
  const std::string attribute =
      std::string("\x0a\x09is_cpu_op", 11) + std::string("\xd8\x01\x00", 3);
  const std::string body = std::string("\x08\x01\x12\x01\x61\x18\x04\x2a\x01\x00\x38\xac\x02", 13) +
                           "\x52" + static_cast<char>(attribute.size()) + attribute;
  EXPECT_EQ(Written({node}),
            std::string("\x07\x0a\x05") + "0.0.4" + static_cast<char>(body.size()) + body);
}

TEST(ChakraFormatTest, WhatIsWrittenIsRead) {
  const std::vector<ChakraNode> nodes = {
      {.id = 0, .name = "first", .type = ChakraNodeType::kCompute},
      {.id = 1ULL << 40,
       .name = "",
       .type = ChakraNodeType::kCollective,
       .control_dependencies = {0, 300, 1ULL << 63},
       .data_dependencies = {7},
       .start_micros = 123456789,
       .duration_micros = 42,
       .attributes = {{"i32", int32_t{-5}},
                      {"i64", int64_t{-1} << 40},
                      {"u32", uint32_t{4000000000}},
                      {"u64", ~uint64_t{0}},
                      {"double", 1.5},
                      {"float", 0.25F},
                      {"bool", true},
                      {"string", std::string("dp")}}}};
  const Result<ChakraTrace> read = ReadChakra(Written(nodes), "test.et");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->version, "0.0.4");
  EXPECT_EQ(read->nodes, nodes);
  EXPECT_EQ(read->nodes[1].Integer("i32", 0), -5);
  EXPECT_EQ(read->nodes[1].Integer("string", 9), 9);
}

// inputs (field 8, a message) and a packed list of an attribute: known to the schema, not to us.
TEST(ChakraFormatTest, OtherFieldsAreSkipped) {
  const std::string body = std::string("\x08\x05\x42\x03\x0a\x01\x78", 7);
  const std::string file = std::string("\x00", 1) + static_cast<char>(body.size()) + body;
  const Result<ChakraTrace> read = ReadChakra(file, "test.et");
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(read->nodes.size(), 1U);
  EXPECT_EQ(read->nodes[0].id, 5U);
}

TEST(ChakraFormatTest, WhatIsCutShortIsRefusedWithItsPlace) {
  const std::string whole =
      Written({{.id = 3, .name = "a name", .type = ChakraNodeType::kCompute}});
  for (size_t size = 9; size < whole.size(); ++size) {
    const Result<ChakraTrace> read = ReadChakra(std::string_view(whole).substr(0, size), "cut.et");
    ASSERT_FALSE(read.has_value()) << size;
    EXPECT_THAT(read.error().message, HasSubstr("cut.et: no Chakra message at byte 8"));
  }
  EXPECT_FALSE(ReadChakra("", "empty.et").has_value());
}

}  // namespace
}  // namespace ridgeline::trace
