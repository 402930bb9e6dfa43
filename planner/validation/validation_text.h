/// The report of `validate` for people: accuracy of every group, the cases, what was left out and
/// why, what was assumed, and every factor below peak that the predictions read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "planner/validation/validation_report.h"

namespace ridgeline::validation {

enum class TextStyle { kTable, kMarkdown, kCsv };

/// kTable aligns columns with blanks, kMarkdown writes pipes, kCsv writes one table of cases only.
/// Deterministic; ends in a newline.
std::string WriteValidationText(const ValidationReport& report, TextStyle style);

/// The block that configs/validation/README.md holds between its two marks.
inline constexpr std::string_view kReadmeGroup = "core dense";
inline constexpr std::string_view kReadmeBegin = "<!-- begin: validate -->";
inline constexpr std::string_view kReadmeEnd = "<!-- end: validate -->";
/// `readme` with what stands between the marks replaced. InvalidArgument when a mark is missing.
Result<std::string> ReplaceReadmeBlock(std::string_view readme, std::string_view block);

}  // namespace ridgeline::validation
