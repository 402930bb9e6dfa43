#include <algorithm>
#include <csignal>
#include <ctime>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/diagnostic.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/standard_error.h"
#include "service/server/server.h"

namespace ridgeline::cli {
namespace {

/// SIGTERM, waited for instead of died of. Made before any thread of gRPC's, which inherit the
/// mask.
class Termination {
 public:
  Termination() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// True when it came; waits a twentieth of a second for it.
  bool Wait() const {
    const timespec patience{.tv_sec = 0, .tv_nsec = 50'000'000};
    return sigtimedwait(&set_, nullptr, &patience) == SIGTERM;
  }

 private:
  sigset_t set_;
};

}  // namespace

Result<int> Serve(Session& session) {
  const CommandLine& line = session.line;
  const Termination termination;
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  server::ServerOptions options{
      .listen = line.listen,
      .max_runs = line.max_runs.value_or(processors),
      .max_queue = line.max_queue.value_or(1024),
      .jobs = line.jobs.value_or(processors),
      .catalog = hardware::Catalog::Sandboxed(session.catalog.roots(), line.allowed_paths)};
  options.catalog.set_cost_source(session.catalog.cost_source(), line.is_strict_calibration);
  if (!line.is_quiet) {
    options.log = [](const std::string& run) { Tell(run + "\n"); };
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<server::Server> server,
                   server::Server::Start(std::move(options)));
  if (!server::IsLoopback(line.listen)) {
    Tell(RenderDiagnostic(
        Severity::kWarning,
        {.message = fmt::format("no encryption and no passwords: whoever reaches {} can use it",
                                server->address()),
         .hint = "listen on 127.0.0.1 and go through a tunnel or a proxy"},
        session.has_color));
  }
  session.Note("listening on " + server->address());
  while (!session.stop.IsRequested() && !termination.Wait()) {
  }
  // A second ^C ends the program at once (service/cli/interrupt.h).
  session.Note("draining: nothing new is accepted");
  server->Drain(line.drain_timeout.value_or(Seconds::FromBase(30)));
  return kExitDone;
}

}  // namespace ridgeline::cli
