/// The work of ridgeline.v1.Planner, message in, message out.
#pragma once

#include "base/result.h"
#include "service/server/call_context.h"
#include "service/server/event_sink.h"

namespace ridgeline::v1 {
class PlanEvent;
class PlanRequest;
}  // namespace ridgeline::v1

namespace ridgeline::server {

/// A budget that runs out gives the best so far, marked partial; the client's deadline is an error.
Status Plan(const v1::PlanRequest& request, const CallContext& context,
            EventSink<v1::PlanEvent>& sink);

}  // namespace ridgeline::server
