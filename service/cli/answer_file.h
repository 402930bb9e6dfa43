/// A file that a command writes beside its answer: --trace, --requests.
#pragma once

#include <iosfwd>
#include <sstream>
#include <string>

#include "base/result.h"

namespace ridgeline::cli {

/// Opened before the run, because a bad path should cost no time; written only once the run is
/// done, so that a run that fails leaves an earlier file alone and no new one behind.
class AnswerFile {
 public:
  /// An empty `file` is one that nobody asked for: everything below does nothing. Errors: "-"
  /// (standard output holds the answer), a path that cannot be written.
  static Result<AnswerFile> Open(std::string flag, std::string file);

  AnswerFile(AnswerFile&& other) noexcept;
  AnswerFile& operator=(AnswerFile&&) = delete;
  AnswerFile(const AnswerFile&) = delete;
  AnswerFile& operator=(const AnswerFile&) = delete;
  /// Without a Commit before: removes the file if Open made it.
  ~AnswerFile();

  /// Where the run writes; nullptr when nobody asked.
  std::ostream* stream() { return file_.empty() ? nullptr : &content_; }
  /// Replaces the file's content by what was written to the stream.
  Status Commit();

 private:
  AnswerFile(std::string flag, std::string file, bool is_new);

  std::string flag_;
  std::string file_;
  bool is_new_ = false;  // and so ours to remove
  std::ostringstream content_;
};

}  // namespace ridgeline::cli
