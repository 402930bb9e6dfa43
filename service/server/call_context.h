/// What a call's work is given besides its request.
#pragma once

#include <optional>
#include <stop_token>

#include "base/stop.h"
#include "hardware/catalog.h"

namespace ridgeline::server {

struct CallContext {
  const hardware::Catalog& catalog;                 // sandboxed
  std::stop_token token;                            // the client went away, or the server ends
  std::optional<Stop::Clock::time_point> deadline;  // the client's
  int jobs = 1;                                     // threads of a plan or a what-if

  Stop stop() const { return Stop(token, deadline); }
};

}  // namespace ridgeline::server
