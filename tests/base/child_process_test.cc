#include "base/child_process.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace ridgeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;

Result<ChildResult> Shell(const std::string& script, std::string_view input = {},
                          const Stop& stop = Stop()) {
  return RunChild({.words = {"/bin/sh", "-c", script}, .input = input}, stop);
}

int OpenFiles() {
  DIR* const folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder) != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    ++count;
  }
  closedir(folder);
  return count;
}

TEST(ChildProcessTest, OutputAndExitCodeComeBack) {
  const Result<ChildResult> child = Shell("printf hello; printf trouble >&2; exit 3");
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->end, ChildEnd::kExited);
  EXPECT_EQ(child->exit_code, 3);
  EXPECT_EQ(child->out, "hello");
  EXPECT_EQ(child->last_words, "trouble");
}

// More than any pipe holds, both ways at once.
TEST(ChildProcessTest, MegabytesGoThroughAChildThatReadsAndWrites) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) {
    text += static_cast<char>('a' + i % 23);
    text += "\n\0 ~"[i % 4];
  }
  const Result<ChildResult> child = Shell("exec cat", text);
  ASSERT_TRUE(child.has_value());
  EXPECT_TRUE(child->out == text) << child->out.size();
}

TEST(ChildProcessTest, AChildThatReadsNothingDoesNotKillUs) {
  const std::string text(10'000'000, 'x');
  const Result<ChildResult> closed = Shell("exec <&-; sleep 0.05; printf done", text);
  ASSERT_TRUE(closed.has_value());
  EXPECT_EQ(closed->out, "done");
  const Result<ChildResult> gone = Shell("exit 0", text);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->exit_code, 0);
}

TEST(ChildProcessTest, OnlyTheLastWordsAreKept) {
  const Result<ChildResult> child =
      Shell("head -c 300000 /dev/zero | tr '\\0' x >&2; printf 'the end' >&2");
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->last_words.size(), 4096u);
  EXPECT_THAT(child->last_words, EndsWith("the end"));
}

TEST(ChildProcessTest, ASignalIsAResult) {
  const Result<ChildResult> child = Shell("kill -SEGV $$");
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->end, ChildEnd::kSignalled);
  EXPECT_EQ(child->exit_code, 128 + SIGSEGV);
}

TEST(ChildProcessTest, TheDeadlineStopsAChild) {
  const auto begin = Stop::Clock::now();
  const Result<ChildResult> child = RunChild(
      {.words = {"/bin/sh", "-c", "sleep 60; printf never"}, .deadline = begin + milliseconds(80)},
      Stop());
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->end, ChildEnd::kOverdue);
  EXPECT_EQ(child->out, "");
  EXPECT_LT(Stop::Clock::now() - begin, seconds(4));
}

TEST(ChildProcessTest, BabbleIsCutOff) {
  const Result<ChildResult> child = RunChild({.words = {"yes"}, .most_output = 1'000'000}, Stop());
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->end, ChildEnd::kTooLoud);
  EXPECT_LT(child->out.size(), 4'000'000u);
}

TEST(ChildProcessTest, StopReachesTheChildAndItsChildren) {
  std::stop_source source;
  const std::jthread soon([&] {
    std::this_thread::sleep_for(milliseconds(50));
    source.request_stop();
  });
  const auto begin = Stop::Clock::now();
  const Result<ChildResult> child = Shell("sleep 60 | cat", {}, Stop(source.get_token()));
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().code, ErrorCode::kCancelled);
  EXPECT_LT(Stop::Clock::now() - begin, seconds(4));
}

// A daemon may keep our pipes open for ever.
TEST(ChildProcessTest, GrandchildrenAreNotWaitedFor) {
  const auto begin = Stop::Clock::now();
  const Result<ChildResult> child = Shell("sleep 3 & printf done");
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->out, "done");
  EXPECT_LT(Stop::Clock::now() - begin, seconds(2));
}

TEST(ChildProcessTest, AMissingProgramIsSaid) {
  const Result<ChildResult> child = RunChild({.words = {"./no-such-program"}}, Stop());
  ASSERT_FALSE(child.has_value());
  EXPECT_EQ(child.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(child.error().message, HasSubstr("no-such-program"));
}

TEST(ChildProcessTest, NoZombieAndNoDescriptorIsLeft) {
  const int before = OpenFiles();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(Shell("cat; exit 1", "word")->out, "word");
        (void)Shell("kill -KILL $$", "word");
        (void)RunChild({.words = {"./no-such-program"}, .input = "word"}, Stop());
        (void)RunChild({.words = {"sleep", "9"}, .deadline = Stop::Clock::now()}, Stop());
      }
    });
  }
  threads.clear();
  EXPECT_EQ(OpenFiles(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(ChildProcessTest, ProgramsAreFoundInPath) {
  const std::optional<std::filesystem::path> shell = FindProgram("sh");
  ASSERT_TRUE(shell.has_value());
  EXPECT_TRUE(IsProgram(*shell));
  EXPECT_FALSE(FindProgram("no-such-program").has_value());
  EXPECT_FALSE(IsProgram("/"));
}

}  // namespace
}  // namespace ridgeline
