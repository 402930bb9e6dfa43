#include "base/document.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Node Parse(std::string text) {
  Result<Node> node = ParseDocument("f.yaml", std::move(text));
  EXPECT_TRUE(node) << (node ? "" : RenderError(node.error()));
  return node ? *node : Node{};
}
std::string Refusal(std::string text) {
  const Result<Node> node = ParseDocument("f.yaml", std::move(text));
  EXPECT_FALSE(node);
  return node ? "" : RenderError(node.error());
}

TEST(ParseDocumentTest, ValuesKnowWhereTheyStood) {
  const Node node = Parse("a: 1\nb:\n  c: [x, \"y z\"]\n");
  const Node& y = node.Find("b")->Find("c")->items[1];
  EXPECT_EQ(y.scalar, "y z");
  EXPECT_TRUE(y.is_quoted);
  EXPECT_EQ(y.where.line, 3);
  EXPECT_EQ(y.where.column, 10);
  EXPECT_EQ(y.where.length, 5);
  EXPECT_EQ(node.entries[1].key_where.line, 2);
}

TEST(ParseDocumentTest, JsonIsRead) {
  const Node node = Parse(R"({"a": null, "b": [1.5, true], "c": "\u00e9\n"})");
  EXPECT_TRUE(node.Find("a")->is_null());
  EXPECT_EQ(node.Find("b")->items[1].scalar, "true");
  EXPECT_EQ(node.Find("c")->scalar, "\u00e9\n");
}

TEST(ParseDocumentTest, KeysKeepOrderAndDuplicates) {
  const Node node = Parse("b: 1\na: 2\nb: 3\n");
  ASSERT_EQ(node.entries.size(), 3U);
  EXPECT_EQ(node.entries[0].key, "b");
  EXPECT_EQ(node.Find("b")->scalar, "3");
}

TEST(ParseDocumentTest, AliasesAreExpanded) {
  EXPECT_EQ(Parse("a: &x [1, 2]\nb: *x").Find("b")->items.size(), 2U);
  EXPECT_THAT(Refusal("a: &x [1, *x]"), HasSubstr("an alias inside the value that it names"));
  EXPECT_THAT(Refusal("a: *x"), HasSubstr("an alias of something that is not defined"));
}

// Nine levels of nine aliases each would be 3.9e8 values.
TEST(ParseDocumentTest, AliasesDoNotMultiplyWithoutBound) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i <= 8; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) {
      text += (j == 0 ? "*a" : ",*a") + std::to_string(i - 1);
    }
    text += "]\n";
  }
  EXPECT_THAT(Refusal(text), HasSubstr("more than 1000000 values"));
  std::string wide = "a: &a " + std::string(100'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 1000; ++i) {
    wide += ", *a";
  }
  EXPECT_THAT(Refusal(wide + "]"), HasSubstr("aliases expand to more than 64 MiB"));
}

TEST(ParseDocumentTest, AByteOrderMarkIsIgnored) {
  EXPECT_EQ(Parse("\xef\xbb\xbf"
                  "a: 1")
                .Find("a")
                ->where.column,
            4);
}

TEST(ParseDocumentTest, TruncatedJsonNamesTheOpenBracket) {
  EXPECT_EQ(Refusal("{\"a\": [1, 2"),
            "f.yaml:1:12: error: the text ends inside a list\n"
            "    1 | {\"a\": [1, 2\n"
            "      |            ^\n"
            "  note: f.yaml:1:7: it begins here\n"
            "  hint: a ']' is missing; is the file cut off?\n");
  EXPECT_THAT(Refusal("{\"a\": {\"b\": \"x"), HasSubstr("the text ends inside a quoted value"));
}

TEST(ParseDocumentTest, SyntaxErrorsAreReworded) {
  EXPECT_THAT(Refusal("a:\n\tb: 1"), HasSubstr("a tab used for indentation"));
  EXPECT_THAT(Refusal("a: 'x"), HasSubstr("the text ends inside a quoted value"));
  EXPECT_THAT(Refusal("a: b: c"), StartsWith("f.yaml:1:5: error: "));
  EXPECT_THAT(Refusal("a: 1\n---\nb: 2"), HasSubstr("f.yaml:2:1: error: more than one document"));
  EXPECT_THAT(Refusal("{a: 1} b"), HasSubstr("text after the end of the document"));
  EXPECT_THAT(Refusal("a: !custom 1"), HasSubstr("tags are not used here: !custom"));
  EXPECT_THAT(Refusal("? [a]\n: 1"), HasSubstr("a key must be a word"));
  EXPECT_THAT(Refusal("a: &x {b: 1}\nc: {<<: *x}"), HasSubstr("merge keys are not used here"));
}

TEST(ParseDocumentTest, EmptyTextIsRefused) {
  EXPECT_EQ(Refusal(""), "f.yaml: error: the document is empty\n");
  EXPECT_EQ(Refusal("# only a comment\n"), "f.yaml: error: the document is empty\n");
}

TEST(ParseDocumentTest, TextThatIsNotUtf8IsRefusedWithItsByte) {
  EXPECT_EQ(Refusal("a: 1\nb: \xff\n"),
            "f.yaml:2:4: error: not UTF-8 text: byte 0xff at offset 8\n"
            "  hint: save the file as UTF-8\n");
  // Overlong, a surrogate, beyond U+10FFFF, cut off.
  for (const char* text : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    EXPECT_THAT(Refusal(text), HasSubstr("not UTF-8 text")) << text;
  }
  EXPECT_THAT(Refusal("\xff\xfe"
                      "a"),
              HasSubstr("UTF-16"));
  EXPECT_THAT(Refusal(std::string("a\0b", 3)), HasSubstr("not a text file: byte 0x00 at offset 1"));
}

TEST(ParseDocumentTest, LimitsHold) {
  EXPECT_THAT(Refusal(std::string(kMaxDocumentBytes + 1, 'x')), HasSubstr("larger than 4 MiB"));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("error"));
  EXPECT_THAT(Refusal(std::string(65, '[') + std::string(65, ']')),
              HasSubstr("nested deeper than 64 levels"));
  std::string dashes;
  for (int i = 0; i < 20'000; ++i) {
    dashes += "- ";
  }
  EXPECT_THAT(Refusal(dashes + "x"), HasSubstr("nested deeper than 64 levels"));
  Parse(std::string(64, '[') + std::string(64, ']'));
  EXPECT_THAT(Refusal(std::string(300, 'k') + ": 1"), HasSubstr("key longer than 255 bytes"));
}

// yaml-cpp 0.7 makes the single byte 0x85 of \N: found by fuzzing.
TEST(ParseDocumentTest, EscapesGiveUtf8OrAreRefused) {
  EXPECT_EQ(Parse("a: \"\\u0085\"").Find("a")->scalar, "\xc2\x85");
  EXPECT_THAT(Refusal("a: \"\\N\""), HasSubstr("an escape that gives no UTF-8 text"));
}

class ReadDocumentTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / "ridgeline_read_document_test";
};

TEST_F(ReadDocumentTest, MissingFilesAndDirectoriesAreToldApart) {
  std::ofstream(folder_ / "cluster.yaml") << "a: 1\n";
  EXPECT_TRUE(ReadDocument(folder_ / "cluster.yaml"));
  const Result<Node> missing = ReadDocument(folder_ / "clutser.yaml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().hint, "did you mean " + (folder_ / "cluster.yaml").string() + "?");
  const Result<Node> directory = ReadDocument(folder_);
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error().message, HasSubstr("a directory, not a file"));
}

TEST_F(ReadDocumentTest, A100MegabyteFileIsRefusedWithoutReadingIt) {
  std::ofstream(folder_ / "big.yaml") << "a: 1\n";
  std::filesystem::resize_file(folder_ / "big.yaml", 100 << 20);
  const Result<Node> big = ReadDocument(folder_ / "big.yaml");
  ASSERT_FALSE(big);
  EXPECT_THAT(big.error().message, HasSubstr("document larger than 4 MiB"));
}

TEST(MergeNodesTest, MapsMergeKeyByKeyAndTheRestReplaces) {
  const Node merged =
      MergeNodes(Parse("a: {x: 1, y: 2}\nb: [1, 2]\n"), Parse("a: {y: 3, z: 4}\nb: [5]\nc: 6\n"));
  EXPECT_EQ(WriteYaml(merged), "a:\n  x: 1\n  y: 3\n  z: 4\nb: [5]\nc: 6\n");
}

// Would take minutes if each key were looked for among all others.
TEST(MergeNodesTest, MapsOfManyKeysMergeWithinAMoment) {
  Node base = MakeMap();
  Node over = MakeMap();
  for (int i = 0; i < 200'000; ++i) {
    base.entries.push_back(
        {.key = fmt::format("k{}", i), .key_where = {}, .value = MakeScalar("1")});
    over.entries.push_back(
        {.key = fmt::format("k{}", 2 * i), .key_where = {}, .value = MakeScalar("2")});
  }
  const Node merged = MergeNodes(std::move(base), over);
  EXPECT_EQ(merged.entries.size(), 300'000U);
  EXPECT_EQ(merged.entries[0].value.scalar, "2");
  EXPECT_EQ(merged.entries[1].value.scalar, "1");
}

TEST(MergeNodesTest, DuplicatesOfTheUpperDocumentStay) {
  EXPECT_EQ(MergeNodes(Parse("a: 1"), Parse("a: 2\na: 3")).entries.size(), 2U);
}

TEST(SetPathTest, SetsReplacesAndCreates) {
  Node root = Parse("a: {b: 1}\nlist: [{c: 1}, {c: 2}]\n");
  EXPECT_TRUE(SetPath(root, "a.b", "[4, 8]", "--set[1]"));
  EXPECT_TRUE(SetPath(root, "list[1].c", "400 Gb/s", "--set[2]"));
  EXPECT_TRUE(SetPath(root, "new.key", "x", "--set[3]"));
  EXPECT_TRUE(SetPath(root, "targets.\"ttft.p99\"", "2 s", "--set[4]"));
  EXPECT_EQ(WriteYaml(root),
            "a:\n  b: [4, 8]\nlist:\n  - c: 1\n  - c: 400 Gb/s\nnew:\n  key: x\n"
            "targets:\n  ttft.p99: 2 s\n");
}

// `fabric: NAME` with a key set below it is the named fabric, changed.
TEST(SetPathTest, AKeyBelowANameKeepsTheNameAsBase) {
  Node root = Parse("fabric: rail\n");
  EXPECT_TRUE(SetPath(root, "fabric.bandwidth", "200 Gb/s", "--set[1]"));
  EXPECT_EQ(WriteYaml(root), "fabric:\n  base: rail\n  bandwidth: 200 Gb/s\n");
}

TEST(SetPathTest, BadPathsAndValuesNameTheOverride) {
  Node root = Parse("a: [1]\n");
  for (const char* path : {"", "a[7]", "a[", "a[x]", "[0]", "a..b", "a.b", ".a", "a[0]b"}) {
    const Status status = SetPath(root, path, "1", "--set[2]");
    ASSERT_FALSE(status) << path;
    EXPECT_THAT(RenderError(status.error()), StartsWith("--set[2]: error: ")) << path;
  }
  EXPECT_FALSE(SetPath(root, "b", "[1", "--set[1]"));
  EXPECT_EQ(WriteYaml(root), "a: [1]\n");
}

TEST(WriteYamlTest, QuotesWhatWouldReadOtherwise) {
  Node map = MakeMap();
  SetKey(map, "word", MakeScalar("400 Gb/s"));
  SetKey(map, "number as text", MakeString("5"));
  SetKey(map, "null as text", MakeString("null"));
  SetKey(map, "a: b", MakeString("x\ny"));
  SetKey(map, "empty", MakeList({}));
  EXPECT_EQ(WriteYaml(map),
            "word: 400 Gb/s\nnumber as text: \"5\"\nnull as text: \"null\"\n\"a: b\": \"x\\ny\"\n"
            "empty: []\n");
}

TEST(SetPathTest, AnOverrideIsShort) {
  Node root = Parse("a: 1");
  std::string list = "[0";
  for (int i = 0; i < 2000; ++i) {
    list += ",0";
  }
  const Status refused = SetPath(root, "a", list + "]", "--set[1]");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "more than 1000 values");
  EXPECT_EQ(root.Find("a")->scalar, "1");
}

}  // namespace
}  // namespace ridgeline
