/// The work of ridgeline.v1.Simulator, message in, message out.
#pragma once

#include "base/result.h"
#include "service/server/call_context.h"
#include "service/server/event_sink.h"

namespace ridgeline::v1 {
class SimulateEvent;
class SimulateRequest;
class ValidateRequest;
class ValidateResponse;
class WhatIfEvent;
class WhatIfRequest;
}  // namespace ridgeline::v1

namespace ridgeline::server {

// Errors: those of the documents, of what runs, and of the client's deadline and cancellation.
Status Validate(const v1::ValidateRequest& request, const CallContext& context,
                v1::ValidateResponse& response);
Status Simulate(const v1::SimulateRequest& request, const CallContext& context,
                EventSink<v1::SimulateEvent>& sink);
Status WhatIf(const v1::WhatIfRequest& request, const CallContext& context,
              EventSink<v1::WhatIfEvent>& sink);

}  // namespace ridgeline::server
