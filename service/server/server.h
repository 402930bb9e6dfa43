/// The gRPC server: the services of ridgeline/v1/services.proto, health and reflection, on one
/// address.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "hardware/catalog.h"

namespace ridgeline::server {

inline constexpr int kMaxMessageBytes = 16 << 20;

struct ServerOptions {
  std::string listen = "127.0.0.1:50051";  // host:port; port 0 takes a free one
  int max_runs = 1;                        // at once
  int max_queue = 1024;                    // that wait; more are refused
  int jobs = 1;                            // threads of a plan or a what-if
  hardware::Catalog catalog;               // sandboxed: documents come from strangers
  /// Gets one line a run, from any thread; may be empty.
  std::function<void(const std::string&)> log = {};
};

/// Threads other than those of the server must have blocked the signals that the program waits for
/// before it starts: gRPC's inherit the mask.
class Server {
 public:
  /// Serves once it returns. Errors: an address that is none, or that cannot be listened on.
  static Result<std::unique_ptr<Server>> Start(ServerOptions options);
  /// Without Drain: stops at once.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// With the port that was taken: "127.0.0.1:41829".
  const std::string& address() const { return address_; }
  /// Health says NOT_SERVING and new runs are refused; what runs or waits is finished or, after
  /// `patience`, stopped. Returns once all is done.
  void Drain(Seconds patience);

 private:
  struct Parts;
  Server();

  std::string address_;
  std::unique_ptr<Parts> parts_;
};

/// Whether only this machine reaches what listens on `address`.
bool IsLoopback(const std::string& address);

}  // namespace ridgeline::server
