#include "service/cli/answer_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>

namespace ridgeline::cli {
namespace {

tl::unexpected<Error> CannotWrite(const std::string& flag, const std::string& file) {
  return InvalidArgument(fmt::format("cannot write {}: {}", file,
                                     std::strerror(errno)),  // NOLINT(concurrency-mt-unsafe)
                         "name a place that can be written with " + flag);
}

}  // namespace

Result<AnswerFile> AnswerFile::Open(std::string flag, std::string file) {
  if (file == "-") {
    return InvalidArgument(flag + " needs a file: standard output holds the answer");
  }
  bool is_new = false;
  if (!file.empty()) {
    std::error_code unread;
    is_new = !std::filesystem::exists(file, unread);
    std::ofstream target(file, std::ios::binary | std::ios::app);
    if (!target) {
      return CannotWrite(flag, file);
    }
  }
  return AnswerFile(std::move(flag), std::move(file), is_new);
}

AnswerFile::AnswerFile(std::string flag, std::string file, bool is_new)
    : flag_(std::move(flag)), file_(std::move(file)), is_new_(is_new) {}

AnswerFile::AnswerFile(AnswerFile&& other) noexcept
    : flag_(std::move(other.flag_)),
      file_(std::exchange(other.file_, {})),
      is_new_(std::exchange(other.is_new_, false)),
      content_(std::move(other.content_)) {}

AnswerFile::~AnswerFile() {
  if (is_new_) {
    std::error_code unread;
    std::filesystem::remove(file_, unread);
  }
}

Status AnswerFile::Commit() {
  if (file_.empty()) {
    return {};
  }
  std::ofstream target(file_, std::ios::binary | std::ios::trunc);
  target << content_.view();
  target.close();
  if (!target) {
    return CannotWrite(flag_, file_);
  }
  is_new_ = false;
  return {};
}

}  // namespace ridgeline::cli
