#include "sim/training/host_cost.h"

namespace ridgeline::training {
namespace {

using compute::Bound;
using compute::Duration;
using compute::kBounds;

void Set(CostedChain& chain, Bound bound, const HostChain& value) {
  chain.total[bound] = value.device;
  chain.host[bound] = value.host;
  chain.lead[bound] = value.lead;
}

}  // namespace

Duration HostDuration(Seconds mean, double spread) {
  return {{engine::ToPicosecondsSaturating(mean),
           engine::ToPicosecondsSaturating((1.0 - spread) * mean),
           engine::ToPicosecondsSaturating((1.0 + spread) * mean)}};
}

Duration OutlastsBy(const Duration& a, const Duration& b) {
  Duration rest;
  for (const Bound bound : kBounds) {
    rest[bound] = std::max<engine::Picoseconds>(0, a[bound] - b[bound]);
  }
  return rest;
}

Seconds HostTimeOf(const workloads::HostWork& host,
                   const std::variant<Operation, workloads::AxisCollective>& work) {
  const auto* operation = std::get_if<Operation>(&work);
  if (operation == nullptr) {
    // A copy by an engine is issued like a kernel.
    const bool is_copy = std::get<workloads::AxisCollective>(work).multiprocessors == 0;
    return is_copy ? host.elementwise : host.collective;
  }
  if (std::holds_alternative<Gemm>(*operation) || std::holds_alternative<GroupedGemm>(*operation)) {
    return host.matmul;
  }
  return std::holds_alternative<Attention>(*operation) ? host.attention : host.elementwise;
}

void CostedChain::Append(const CostedChain& next) {
  for (const Bound bound : kBounds) {
    Set(*this, bound, At(bound).Then(next.At(bound)));
  }
}

CostedChain CostedChain::Of(const Duration& host, const Duration& device,
                            const CostedChain* beside) {
  CostedChain chain;
  for (const Bound bound : kBounds) {
    const HostChain one = HostChain::Of(host[bound], device[bound]);
    Set(chain, bound, beside == nullptr ? one : HostChain::Beside(beside->At(bound), one));
  }
  return chain;
}

CostedChain CostedChain::Repeated(int64_t times) const {
  CostedChain all;
  for (const Bound bound : kBounds) {
    Set(all, bound, At(bound).Repeated(times));
  }
  return all;
}

}  // namespace ridgeline::training
