/// The work of ridgeline.v1.Catalog, message in, message out.
#pragma once

#include "base/result.h"
#include "service/server/call_context.h"

namespace ridgeline::v1 {
class GetRequest;
class GetResponse;
class ListRequest;
class ListResponse;
}  // namespace ridgeline::v1

namespace ridgeline::server {

// A kind is a folder of the catalog: "gpus", "models"; "gpu" will do. Errors: kNotFound with the
// nearest for kinds and names.
Status List(const v1::ListRequest& request, const CallContext& context, v1::ListResponse& response);
Status Get(const v1::GetRequest& request, const CallContext& context, v1::GetResponse& response);

}  // namespace ridgeline::server
