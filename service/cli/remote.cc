#include "service/cli/remote.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <ridgeline/v1/services.grpc.pb.h>

#include "base/diagnostic.h"
#include "base/document.h"
#include "base/sha256.h"
#include "service/api/convert.h"
#include "service/api/diagnostic_message.h"
#include "service/api/grpc_status.h"
#include "service/calibrations/calibration_source.h"
#include "service/cli/shell_word.h"

namespace ridgeline::cli {
namespace {

/// How much later than its search a plan may arrive: the budget ends the search, and this a server
/// that hangs.
constexpr std::chrono::seconds kGrace(10);

struct RemoteQuestion {
  v1::Scenario scenario;
  std::vector<report::Input> inputs;
};

/// What the question cannot carry must not be dropped: the server prices by its own profile.
Status CheckIsSentWhole(const CommandLine& line) {
  if (line.is_strict_calibration) {
    return InvalidArgument("--strict-calibration is not sent to a server",
                           "give it where the server starts: ridgeline serve --strict-calibration");
  }
  if (!line.calibration.empty() && line.calibration != calibrations::kAuto) {
    return InvalidArgument(
        "--calibration is not sent to a server",
        fmt::format("give it where the server starts: ridgeline serve --calibration {}",
                    ShellWord(line.calibration)));
  }
  return {};
}

/// Reads the files as a run here would, so that what cannot be read or parsed is told in the same
/// words and never sent.
Result<RemoteQuestion> ReadFiles(const CommandLine& line, const std::vector<std::string>& files) {
  RETURN_IF_ERROR(CheckIsSentWhole(line));
  RemoteQuestion question;
  Diagnostics diagnostics;
  for (size_t i = 0; i < files.size(); ++i) {
    const Result<Node> node = ReadDocument(files[i]);
    if (!node) {
      for (Error& error : api::Flatten(node.error())) {
        diagnostics.Add(std::move(error));
      }
      continue;
    }
    const std::string& text = node->where.source->text;
    v1::Document& document = *question.scenario.add_documents();
    document.set_name(files[i]);
    document.set_content(text);
    question.inputs.push_back({.name = line.arguments[i], .sha256 = Sha256(text)});
  }
  RETURN_IF_ERROR(diagnostics.Take());
  for (const std::string& override : line.overrides) {
    question.scenario.add_overrides(override);
  }
  if (line.seed) {
    question.scenario.set_seed(*line.seed);
  }
  return question;
}

std::chrono::nanoseconds Nanoseconds(Seconds time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(time.base()));
}

/// One call: its channel, and the wait for its events that a ^C ends.
class RemoteCall {
 public:
  explicit RemoteCall(const Session& session) : session_(session) {
    grpc::ChannelArguments arguments;
    // What the server may send is its own matter; what we send, it limits.
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
    channel_ = grpc::CreateCustomChannel(session.line.server, grpc::InsecureChannelCredentials(),
                                         arguments);
    if (session.line.timeout) {
      SetTimeout(Nanoseconds(*session.line.timeout));
    }
    Connect();
  }
  ~RemoteCall() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool is_ok = false;
    while (queue_.Next(&tag, &is_ok)) {
    }
  }
  RemoteCall(const RemoteCall&) = delete;
  RemoteCall& operator=(const RemoteCall&) = delete;

  void SetTimeout(std::chrono::nanoseconds timeout) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  grpc::ClientContext* context() { return &context_; }
  grpc::CompletionQueue* queue() { return &queue_; }

  /// Tries for a second, so that a server that is just starting is met. (gRPC 1.51 also takes its
  /// first attempt for failed when an allocation clobbers errno behind connect(), as happens where
  /// /sys is not mounted.) The call then says what is wrong.
  void Connect() const {
    const auto end =
        std::min(std::chrono::system_clock::now() + std::chrono::seconds(1), context_.deadline());
    while (!session_.stop.IsRequested() && std::chrono::system_clock::now() < end &&
           !channel_->WaitForConnected(std::chrono::system_clock::now() +
                                       std::chrono::milliseconds(50))) {
    }
  }

  /// Reads to the end of the stream. Progress is shown; everything else goes to `on_event`.
  template <class Event, class OnEvent>
  Status Read(grpc::ClientAsyncReader<Event>& reader, const OnEvent& on_event) {
    std::optional<Error> problems;
    reader.StartCall(this);
    bool is_open = Wait();
    while (is_open) {
      Event event;
      reader.Read(&event, this);
      is_open = Wait();
      if (is_open && event.has_progress()) {
        const v1::Progress& progress = event.progress();
        session_.progress->Report(progress.phase(), progress.done(), progress.total(),
                                  progress.unit());
      } else if (is_open && event.has_diagnostic()) {
        problems = api::FromMessage(event.diagnostic());
      } else if (is_open) {
        on_event(event);
      }
    }
    grpc::Status status;
    reader.Finish(&status, this);
    Wait();
    if (status.ok()) {
      return {};
    }
    // All problems, where the status had no room for them.
    return Fail(problems ? *std::move(problems) : ErrorOf(status));
  }

 private:
  /// The outcome of the operation under way.
  bool Wait() {
    while (true) {
      void* tag = nullptr;
      bool is_ok = false;
      const auto until = std::chrono::system_clock::now() + std::chrono::milliseconds(20);
      if (queue_.AsyncNext(&tag, &is_ok, until) != grpc::CompletionQueue::TIMEOUT) {
        return is_ok;
      }
      // The deadline is the call's own affair.
      if (const Status status = session_.stop.Check();
          !status && status.error().code == ErrorCode::kCancelled) {
        context_.TryCancel();
      }
    }
  }

  Error ErrorOf(const grpc::Status& status) const {
    api::StatusError failure = api::FromStatus(status);
    if (failure.has_details) {
      return std::move(failure.error);
    }
    const std::string& server = session_.line.server;
    switch (status.error_code()) {
      case grpc::StatusCode::CANCELLED:
        return {.code = ErrorCode::kCancelled, .message = "interrupted"};
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return {.code = ErrorCode::kDeadlineExceeded,
                .message = "deadline exceeded",
                .hint = "allow more time with --timeout"};
      case grpc::StatusCode::UNIMPLEMENTED:
        return {.code = ErrorCode::kUnimplemented,
                .message = fmt::format("the server does not offer this: {}: {}", server,
                                       status.error_message())};
      case grpc::StatusCode::RESOURCE_EXHAUSTED:
        return {
            .code = ErrorCode::kUnavailable,
            .message = fmt::format("the server refuses: {}: {}", server, status.error_message())};
      default:
        return {.code = ErrorCode::kUnavailable,
                .message = fmt::format("the server is unavailable: {}: {}", server,
                                       status.error_message()),
                .hint = "start one with: ridgeline serve --listen HOST:PORT"};
    }
  }

  const Session& session_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
};

Error NoResult() {
  return {.code = ErrorCode::kInternal, .message = "the server ended the answer without a result"};
}

}  // namespace

Result<report::SimulationResult> SimulateOnServer(const Session& session,
                                                  const std::vector<std::string>& files) {
  ASSIGN_OR_RETURN(RemoteQuestion question, ReadFiles(session.line, files));
  v1::SimulateRequest request;
  *request.mutable_scenario() = std::move(question.scenario);
  RemoteCall call(session);
  const auto stub = v1::Simulator::NewStub(call.channel());
  const auto reader = stub->PrepareAsyncSimulate(call.context(), request, call.queue());
  std::optional<report::SimulationResult> result;
  RETURN_IF_ERROR(call.Read(*reader, [&result](const v1::SimulateEvent& event) {
    if (event.has_result()) {
      result = api::FromMessage(event.result());
    }
  }));
  if (!result) {
    return Fail(NoResult());
  }
  result->inputs = std::move(question.inputs);
  return *std::move(result);
}

Result<report::PlanResult> PlanOnServer(
    const Session& session, const std::vector<std::string>& files,
    const std::function<void(const planner::Candidate&)>& on_incumbent) {
  const CommandLine& line = session.line;
  ASSIGN_OR_RETURN(RemoteQuestion question, ReadFiles(line, files));
  v1::PlanRequest request;
  *request.mutable_scenario() = std::move(question.scenario);
  for (const std::string& target : line.targets) {
    request.add_targets(target);
  }
  if (line.minimize) {
    request.set_minimize(*line.minimize);
  }
  RemoteCall call(session);
  if (line.timeout) {
    // As here: the search ends in time, and the best so far is the answer.
    const std::chrono::nanoseconds budget = Nanoseconds(*line.timeout);
    request.mutable_budget()->set_seconds(budget.count() / 1'000'000'000);
    request.mutable_budget()->set_nanos(static_cast<int>(budget.count() % 1'000'000'000));
    call.SetTimeout(budget + kGrace);
  }
  const auto stub = v1::Planner::NewStub(call.channel());
  const auto reader = stub->PrepareAsyncPlan(call.context(), request, call.queue());
  std::optional<report::PlanResult> result;
  RETURN_IF_ERROR(call.Read(*reader, [&](const v1::PlanEvent& event) {
    if (event.has_incumbent() && on_incumbent) {
      on_incumbent(api::FromMessage(event.incumbent()));
    } else if (event.has_result()) {
      result = api::FromMessage(event.result());
    }
  }));
  if (!result) {
    return Fail(NoResult());
  }
  result->inputs = std::move(question.inputs);
  return *std::move(result);
}

}  // namespace ridgeline::cli
