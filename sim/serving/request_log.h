/// What became of every request, as CSV: one line a request in the order of the load. Instants and
/// spans are exact decimal seconds; what a request did not come to is empty.
#pragma once

#include <iosfwd>
#include <span>

#include "base/result.h"
#include "sim/serving/request_outcome.h"

namespace ridgeline::serving {

/// "done"
std::string_view StateName(RequestState state);

/// kUnavailable when the stream fails (disk full).
Status WriteRequestLog(std::span<const RequestOutcome> requests, std::ostream& out);

}  // namespace ridgeline::serving
