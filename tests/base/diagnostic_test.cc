#include "base/diagnostic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ridgeline {
namespace {

using ::testing::HasSubstr;

SourceLocation Place(std::string text, int line, int column, int length) {
  return {.source = std::make_shared<const SourceText>(SourceText{"f.yaml", std::move(text)}),
          .line = line,
          .column = column,
          .length = length};
}

// Tabs are copied and characters, not bytes, are counted: the caret stands below the value.
TEST(RenderErrorTest, TheUnderlineStandsBelowTheValue) {
  const Error error = {.code = ErrorCode::kInvalidArgument,
                       .message = "wrong",
                       .where = Place("\t\u00e9\u00e9: xyz", 1, 8, 3)};
  EXPECT_EQ(RenderError(error),
            "f.yaml:1:8: error: wrong\n    1 | \t\u00e9\u00e9: xyz\n      | \t    ^~~\n");
}

TEST(RenderErrorTest, LongLinesAreCutAroundTheValue) {
  const std::string line = std::string(500, 'a') + "VALUE" + std::string(500, 'b');
  const std::string text = RenderError(
      {.code = ErrorCode::kInvalidArgument, .message = "m", .where = Place(line, 1, 501, 5)});
  EXPECT_LT(text.size(), 400U);
  const size_t shown = text.find("VALUE") - text.find("    1 | ");
  const size_t marked = text.find("^~~~~") - text.find("      | ");
  EXPECT_EQ(shown, marked);
}

TEST(RenderErrorTest, AUsersTextCannotSteerTheTerminal) {
  const std::string text = RenderError(
      {.code = ErrorCode::kInvalidArgument, .message = "unknown key: \x1b[31mred\nnext"});
  EXPECT_EQ(text, "error: unknown key: \\x1b[31mred\\nnext\n");
}

TEST(RenderErrorTest, ColorsOnlyWhenAsked) {
  const Error error = {.code = ErrorCode::kInvalidArgument, .message = "m", .hint = "h"};
  EXPECT_THAT(RenderError(error, true), HasSubstr("\x1b["));
  EXPECT_EQ(RenderError(error), "error: m\n  hint: h\n");
  EXPECT_EQ(RenderDiagnostic(Severity::kWarning, error), "warning: m\n  hint: h\n");
}

TEST(DiagnosticsTest, EmptyIsOkAndTakingEmpties) {
  Diagnostics diagnostics;
  EXPECT_TRUE(diagnostics.Take());
  diagnostics.Add({.code = ErrorCode::kInvalidArgument, .message = "m"});
  EXPECT_FALSE(diagnostics.Take());
  EXPECT_TRUE(diagnostics.empty());
}

TEST(DiagnosticsTest, ErrorsOfOneFileStayTogetherInOrderOfPlace) {
  const SourceLocation a2 = Place("", 2, 1, 1);
  SourceLocation a1 = a2;
  a1.line = 1;
  const SourceLocation b1 = Place("", 1, 1, 1);
  Diagnostics diagnostics;
  for (const auto& [message, where] :
       {std::pair("a2", a2), std::pair("b1", b1), std::pair("a1", a1)}) {
    diagnostics.Add({.code = ErrorCode::kInvalidArgument, .message = message, .where = where});
  }
  const Error error = diagnostics.Take().error();
  EXPECT_EQ(error.message, "a1");
  EXPECT_EQ(error.others.at(0).message, "a2");
  EXPECT_EQ(error.others.at(1).message, "b1");
}

}  // namespace
}  // namespace ridgeline
