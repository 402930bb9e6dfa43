/// The services on gRPC's callback API: each call becomes a run of the queue, its events a stream
/// with one write in flight, its error a status, its end a line of the log. The work itself is in
/// simulator_calls.h, planner_calls.h and catalog_calls.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hardware/catalog.h"
#include "service/server/run_queue.h"

namespace grpc {
class Service;
}

namespace ridgeline::server {

/// What every call leans on. Outlives the services.
struct ServiceSetup {
  RunQueue& queue;
  hardware::Catalog catalog;  // sandboxed
  int jobs = 1;               // threads of a plan or a what-if
  /// Gets one line a run, from any thread; may be empty.
  std::function<void(const std::string&)> log = {};
  std::atomic<int64_t> open_calls = 0;  // whose status has not yet been written
  std::atomic<int64_t> runs = 0;        // ended so far; numbers the lines
};

/// Simulator, Planner and Catalog.
std::vector<std::unique_ptr<grpc::Service>> MakeServices(ServiceSetup& setup);

}  // namespace ridgeline::server
