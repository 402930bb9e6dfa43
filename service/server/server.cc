#include "service/server/server.h"

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>

#include "service/server/grpc_services.h"
#include "service/server/run_queue.h"

namespace ridgeline::server {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr const char* kServiceNames[] = {"ridgeline.v1.Simulator", "ridgeline.v1.Planner",
                                         "ridgeline.v1.Catalog"};

/// The host of "host:port" and "[::1]:port"; empty when there is no port.
std::string HostOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && colon + 1 < address.size() &&
                        colon + 7 > address.size() &&
                        address.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  std::string host = has_port ? address.substr(0, colon) : std::string();
  // A second colon is part of a bare IPv6 address, whose port nobody can tell.
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
  return !is_bracketed && host.find(':') != std::string::npos ? std::string() : host;
}

}  // namespace

bool IsLoopback(const std::string& address) {
  if (address.starts_with(kUnixPrefix)) {
    return true;
  }
  const std::string host = HostOf(address);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

struct Server::Parts {
  explicit Parts(ServerOptions options)
      : queue(options.max_runs, options.max_queue),
        setup{.queue = queue,
              .catalog = std::move(options.catalog),
              .jobs = options.jobs,
              .log = std::move(options.log)} {}

  // Torn down from below: no call is left when the queue's threads end.
  RunQueue queue;
  ServiceSetup setup;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
};

Server::Server() = default;

Server::~Server() {
  if (parts_ != nullptr && parts_->server != nullptr) {
    Drain(Seconds());
  }
}

Result<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  const std::string listen = options.listen;
  const bool is_unix = listen.starts_with(kUnixPrefix);
  if (!is_unix && HostOf(listen).empty()) {
    return InvalidArgument(fmt::format("--listen needs HOST:PORT: {}", listen),
                           "for example 127.0.0.1:50051");
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  std::unique_ptr<Server> server(new Server);
  server->parts_ = std::make_unique<Parts>(std::move(options));
  Parts& parts = *server->parts_;
  parts.services = MakeServices(parts.setup);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  // Two servers on one port would share its clients without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  for (const std::unique_ptr<grpc::Service>& service : parts.services) {
    builder.RegisterService(service.get());
  }
  parts.server = builder.BuildAndStart();
  if (parts.server == nullptr) {
    return InvalidArgument(fmt::format("cannot listen on {}", listen),
                           "is the port taken, or the address not this machine's?");
  }
  server->address_ = is_unix ? listen : fmt::format("{}:{}", HostOf(listen), port);
  for (const char* const name : kServiceNames) {
    parts.server->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return server;
}

void Server::Drain(Seconds patience) {
  using Clock = RunQueue::Clock;
  Parts& parts = *parts_;
  parts.server->GetHealthCheckService()->SetServingStatus(false);
  parts.queue.Close();
  const auto wait =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(patience.base()));
  if (!parts.queue.WaitUntilIdle(Clock::now() + wait)) {
    parts.queue.StopAll();
    // Work asks every few milliseconds whether to stop; what does not is waited for all the same,
    // since its thread cannot be taken away.
    while (!parts.queue.WaitUntilIdle(Clock::now() + std::chrono::seconds(1))) {
    }
  }
  // Answers get a moment to be read. Then the line is cut: health watchers have been told, and an
  // idle client need not notice before it calls again.
  const Clock::time_point last = Clock::now() + std::chrono::seconds(5);
  while (parts.setup.open_calls.load() > 0 && Clock::now() < last) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  parts.server->Shutdown(std::chrono::system_clock::now());
  parts.server->Wait();
  parts.server.reset();
}

}  // namespace ridgeline::server
