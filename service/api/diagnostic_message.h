/// Errors on the wire: every part of base/result.h's Error, with the one line of the source that
/// the excerpt shows instead of the whole document.
#pragma once

#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"
#include "base/source_location.h"

namespace ridgeline::v1 {
class Diagnostic;
}

namespace ridgeline::api {

/// The whole error, its `others` inside. A line longer than 4 KiB travels without its text.
void ToMessage(const Error& error, Severity severity, v1::Diagnostic& message);
/// Renders as the original does, excerpts included: a source holds as many empty lines as stand
/// before its one line. A code that is none of ours becomes kUnavailable.
Error FromMessage(const v1::Diagnostic& message);

/// The canonical code as one of ours; kUnavailable for those that we never use.
ErrorCode ErrorCodeOf(int code);

/// "scenario.yaml:3:5: bandwidth needs a unit: 400": the first problem in one line.
std::string FirstLine(const Error& error);
/// The error and all `others`, at any depth, in the order in which they are rendered; each without
/// `others` of its own.
std::vector<Error> Flatten(const Error& error);
/// The reverse: the first with the rest as its `others`. `errors` must not be empty.
Error Gather(std::vector<Error> errors);

}  // namespace ridgeline::api
