/// A place in what the user wrote.
#pragma once

#include <memory>
#include <string>

namespace ridgeline {

/// The text that a document was read from. Shared by every location in it, because merged scenarios
/// hold nodes of several files at once and an error may outlive the document that caused it.
struct SourceText {
  std::string name;  // file name as the user gave it, "-" for stdin, "--set[1]" for an override
  std::string text;  // for the line shown under an error; empty when there is none to show
};

/// Line and column count from 1; column counts bytes. `length` is that of the token, for the
/// underline.
struct SourceLocation {
  std::shared_ptr<const SourceText> source;
  int line = 0;
  int column = 0;
  int length = 1;
};

}  // namespace ridgeline
