#include "service/server/grpc_services.h"

#include <chrono>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <ridgeline/v1/services.grpc.pb.h>

#include "service/api/diagnostic_message.h"
#include "service/api/grpc_status.h"
#include "service/server/call_context.h"
#include "service/server/catalog_calls.h"
#include "service/server/event_sink.h"
#include "service/server/pending_events.h"
#include "service/server/planner_calls.h"
#include "service/server/simulator_calls.h"

namespace ridgeline::server {
namespace {

using Clock = Stop::Clock;

std::string_view CodeName(grpc::StatusCode code) {
  constexpr std::string_view kNames[] = {"OK",
                                         "CANCELLED",
                                         "UNKNOWN",
                                         "INVALID_ARGUMENT",
                                         "DEADLINE_EXCEEDED",
                                         "NOT_FOUND",
                                         "ALREADY_EXISTS",
                                         "PERMISSION_DENIED",
                                         "RESOURCE_EXHAUSTED",
                                         "FAILED_PRECONDITION",
                                         "ABORTED",
                                         "OUT_OF_RANGE",
                                         "UNIMPLEMENTED",
                                         "INTERNAL",
                                         "UNAVAILABLE",
                                         "DATA_LOSS",
                                         "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "UNKNOWN";
}

std::optional<Clock::time_point> DeadlineOf(const grpc::CallbackServerContext& context) {
  const std::chrono::system_clock::time_point deadline = context.deadline();
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) {
    return std::nullopt;  // none: gRPC says so by a time at the end of the calendar
  }
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(left);
}

/// What all calls share: admission, the work on a thread of the queue, cancellation, the log.
///
/// Shared by the queue, whose thread may still be leaving it, and by gRPC, which lets go in OnDone;
/// whoever is last deletes it.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(ServiceSetup& setup, const grpc::CallbackServerContext& context, std::string_view method)
      : setup_(setup), method_(method), deadline_(DeadlineOf(context)) {}
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// Once, before gRPC gets the reactor.
  void Begin() {
    setup_.open_calls.fetch_add(1);
    self_ = shared_from_this();
    run_ = std::make_shared<Run>();
    run_->stop = stop_;
    run_->work = [call = self_] { call->Work(); };
    switch (setup_.queue.Submit(run_)) {
      case RunQueue::Admission::kAccepted:
        return;
      case RunQueue::Admission::kFull:
        // No fault of the documents: no diagnostic.
        return End({grpc::StatusCode::RESOURCE_EXHAUSTED,
                    "too many runs: the queue is full; try again in a second"});
      case RunQueue::Admission::kClosed:
        return End({grpc::StatusCode::UNAVAILABLE,
                    "the server is shutting down; try again later or elsewhere"});
    }
  }

 protected:
  /// The work. Its answer goes where the kind of call puts it.
  virtual Status Answer(const CallContext& context) = 0;
  /// Just before the status of a failure that has no room for every problem.
  virtual void SendWhole(const Error&) {}
  virtual void Close(const grpc::Status& status) = 0;

  /// The client went away, or its deadline has passed.
  void Cancel() {
    stop_.request_stop();
    if (setup_.queue.Withdraw(run_)) {
      End(WhyStopped());
    }
  }
  void RequestStop() { stop_.request_stop(); }
  /// gRPC is done with the reactor. May delete it.
  void Release() {
    setup_.open_calls.fetch_sub(1);
    run_.reset();  // it holds the call, and the call holds it
    self_.reset();
  }

 private:
  void Work() {
    const CallContext context{.catalog = setup_.catalog,
                              .token = stop_.get_token(),
                              .deadline = deadline_,
                              .jobs = setup_.jobs};
    Status status = context.stop().Check();
    try {
      if (status) {
        status = Answer(context);
      }
    } catch (const std::exception& error) {
      // A bug of ours ends the run, not the server.
      status = Fail({.code = ErrorCode::kInternal,
                     .message = fmt::format("internal error: {}", error.what())});
    } catch (...) {
      status = Fail({.code = ErrorCode::kInternal, .message = "internal error"});
    }
    if (context.stop().IsRequested()) {
      return End(WhyStopped());
    }
    if (status) {
      return End(grpc::Status::OK);
    }
    bool is_whole = true;
    const grpc::Status failure = api::ToStatus(status.error(), &is_whole);
    if (!is_whole) {
      SendWhole(status.error());
    }
    End(failure);
  }

  grpc::Status WhyStopped() const {
    if (deadline_ && Clock::now() >= *deadline_) {
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "deadline exceeded"};
    }
    if (setup_.queue.is_closed()) {
      return {grpc::StatusCode::UNAVAILABLE, "the server is shutting down; the run was stopped"};
    }
    return {grpc::StatusCode::CANCELLED, "cancelled"};
  }

  void End(const grpc::Status& status) {
    if (setup_.log) {
      const std::chrono::duration<double> elapsed = Clock::now() - begin_;
      setup_.log(fmt::format("run {}: {} {} {:.3f} s", setup_.runs.fetch_add(1) + 1, method_,
                             CodeName(status.error_code()), elapsed.count()));
    }
    Close(status);
  }

  ServiceSetup& setup_;
  const std::string_view method_;
  const std::optional<Clock::time_point> deadline_;
  const Clock::time_point begin_ = Clock::now();
  std::stop_source stop_;
  RunHandle run_;
  std::shared_ptr<Call> self_;  // gRPC's share
};

template <class Request, class Response>
class UnaryCall final : public grpc::ServerUnaryReactor, public Call {
 public:
  using Work = Status (*)(const Request&, const CallContext&, Response&);
  UnaryCall(ServiceSetup& setup, const grpc::CallbackServerContext& context,
            std::string_view method, Work work, const Request& request, Response& response)
      : Call(setup, context, method), work_(work), request_(request), response_(response) {}

  void OnCancel() override { Cancel(); }
  void OnDone() override { Release(); }

 private:
  Status Answer(const CallContext& context) override { return work_(request_, context, response_); }
  void Close(const grpc::Status& status) override { Finish(status); }

  const Work work_;
  const Request& request_;  // gRPC keeps both until OnDone
  Response& response_;
};

template <class Request, class Event>
class StreamCall final : public grpc::ServerWriteReactor<Event>,
                         public Call,
                         public EventSink<Event> {
 public:
  using Work = Status (*)(const Request&, const CallContext&, EventSink<Event>&);
  StreamCall(ServiceSetup& setup, const grpc::CallbackServerContext& context,
             std::string_view method, Work work, const Request& request)
      : Call(setup, context, method), work_(work), request_(request) {}

  void OnCancel() override { Cancel(); }
  void OnDone() override { Release(); }

  void Send(Event event) override {
    {
      const std::lock_guard lock(mutex_);
      if (is_broken_) {
        return;
      }
      pending_.Add(std::move(event));
      if (is_writing_) {
        return;
      }
      is_writing_ = true;
      in_flight_ = *pending_.Take();
    }
    this->StartWrite(&in_flight_);
  }

  void OnWriteDone(bool is_written) override {
    std::optional<grpc::Status> last;
    {
      const std::lock_guard lock(mutex_);
      if (!is_written) {  // nobody reads any more
        is_broken_ = true;
        pending_.Clear();
        RequestStop();
      }
      if (std::optional<Event> next = pending_.Take()) {
        in_flight_ = *std::move(next);
      } else {
        is_writing_ = false;
        if (!status_) {
          return;
        }
        last = status_;
      }
    }
    if (last) {
      this->Finish(*last);
    } else {
      this->StartWrite(&in_flight_);
    }
  }

 private:
  Status Answer(const CallContext& context) override { return work_(request_, context, *this); }

  void SendWhole(const Error& error) override {
    Event event;
    api::ToMessage(error, Severity::kError, *event.mutable_diagnostic());
    Send(std::move(event));
  }

  void Close(const grpc::Status& status) override {
    {
      const std::lock_guard lock(mutex_);
      if (is_writing_) {
        status_ = status;  // after the last write
        return;
      }
    }
    this->Finish(status);
  }

  const Work work_;
  const Request& request_;  // gRPC keeps it until OnDone
  std::mutex mutex_;
  PendingEvents<Event> pending_;
  Event in_flight_;  // owned by gRPC while is_writing_
  bool is_writing_ = false;
  bool is_broken_ = false;
  std::optional<grpc::Status> status_;  // set once the work is done
};

template <class Request, class Response>
grpc::ServerUnaryReactor* BeginUnary(ServiceSetup& setup,
                                     const grpc::CallbackServerContext* context,
                                     std::string_view method,
                                     Status (*work)(const Request&, const CallContext&, Response&),
                                     const Request* request, Response* response) {
  const auto call = std::make_shared<UnaryCall<Request, Response>>(setup, *context, method, work,
                                                                   *request, *response);
  call->Begin();
  return call.get();
}

template <class Request, class Event>
grpc::ServerWriteReactor<Event>* BeginStream(
    ServiceSetup& setup, const grpc::CallbackServerContext* context, std::string_view method,
    Status (*work)(const Request&, const CallContext&, EventSink<Event>&), const Request* request) {
  const auto call =
      std::make_shared<StreamCall<Request, Event>>(setup, *context, method, work, *request);
  call->Begin();
  return call.get();
}

class SimulatorService final : public v1::Simulator::CallbackService {
 public:
  explicit SimulatorService(ServiceSetup& setup) : setup_(setup) {}

  grpc::ServerUnaryReactor* Validate(grpc::CallbackServerContext* context,
                                     const v1::ValidateRequest* request,
                                     v1::ValidateResponse* response) override {
    return BeginUnary(setup_, context, "Simulator/Validate", server::Validate, request, response);
  }
  grpc::ServerWriteReactor<v1::SimulateEvent>* Simulate(
      grpc::CallbackServerContext* context, const v1::SimulateRequest* request) override {
    return BeginStream(setup_, context, "Simulator/Simulate", server::Simulate, request);
  }
  grpc::ServerWriteReactor<v1::WhatIfEvent>* WhatIf(grpc::CallbackServerContext* context,
                                                    const v1::WhatIfRequest* request) override {
    return BeginStream(setup_, context, "Simulator/WhatIf", server::WhatIf, request);
  }

 private:
  ServiceSetup& setup_;
};

Status Render(const v1::RenderRequest&, const CallContext&, v1::RenderResponse&) {
  return Unimplemented("not built yet: render");
}

class PlannerService final : public v1::Planner::CallbackService {
 public:
  explicit PlannerService(ServiceSetup& setup) : setup_(setup) {}

  grpc::ServerWriteReactor<v1::PlanEvent>* Plan(grpc::CallbackServerContext* context,
                                                const v1::PlanRequest* request) override {
    return BeginStream(setup_, context, "Planner/Plan", server::Plan, request);
  }
  grpc::ServerUnaryReactor* Render(grpc::CallbackServerContext* context,
                                   const v1::RenderRequest* request,
                                   v1::RenderResponse* response) override {
    return BeginUnary(setup_, context, "Planner/Render", server::Render, request, response);
  }

 private:
  ServiceSetup& setup_;
};

class CatalogService final : public v1::Catalog::CallbackService {
 public:
  explicit CatalogService(ServiceSetup& setup) : setup_(setup) {}

  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListRequest* request,
                                 v1::ListResponse* response) override {
    return BeginUnary(setup_, context, "Catalog/List", server::List, request, response);
  }
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) override {
    return BeginUnary(setup_, context, "Catalog/Get", server::Get, request, response);
  }

 private:
  ServiceSetup& setup_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeServices(ServiceSetup& setup) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<SimulatorService>(setup));
  services.push_back(std::make_unique<PlannerService>(setup));
  services.push_back(std::make_unique<CatalogService>(setup));
  return services;
}

}  // namespace ridgeline::server
