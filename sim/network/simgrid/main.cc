/// The program `ridgeline-simgrid`: traffic on standard input, its times on standard output.
/// Started by sim/network/simgrid_reference; arguments are SimGrid's.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sim/engine/traffic_stream.h"
#include "sim/network/simgrid/simgrid_simulation.h"

namespace ridgeline::simgrid_program {
namespace {

std::string ReadAll(int from) {
  std::string bytes;
  char part[65536];
  for (ssize_t got = 0; (got = read(from, part, sizeof part)) > 0;) {
    bytes.append(part, static_cast<size_t>(got));
  }
  return bytes;
}

bool WriteAll(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(to, bytes.data(), bytes.size());
    if (written <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

int Main(const std::vector<std::string>& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read what we find out
  // Whatever SimGrid prints on standard output must not end up in the answer.
  const int answer_to = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  const Result<engine::Traffic> traffic = engine::ReadTraffic(ReadAll(STDIN_FILENO));
  if (!traffic) {
    fmt::print(stderr, "ridgeline-simgrid: {}\n", traffic.error().message);
    return 2;
  }
  const Result<engine::TrafficAnswer> answer = SimulateWithSimgrid(*traffic, options);
  if (!answer && answer.error().code != ErrorCode::kUnimplemented) {
    fmt::print(stderr, "ridgeline-simgrid: {}\n", answer.error().message);
    return 1;
  }
  const std::string bytes =
      answer ? engine::WriteAnswer(*answer) : engine::WriteRefusal(answer.error().message);
  return WriteAll(answer_to, bytes) ? 0 : 1;
}

}  // namespace
}  // namespace ridgeline::simgrid_program

int main(int argc, char** argv) {
  int code = 1;
  try {
    code = ridgeline::simgrid_program::Main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "ridgeline-simgrid: {}\n", error.what());
  }
  _exit(code);  // SimGrid's tear-down has nothing left to say, and much to crash on
}
