#include "sim/training/cause.h"

namespace ridgeline::training {
namespace {

struct Words {
  std::string_view name;
  std::string_view title;
};
constexpr std::array<Words, kNumCauses> kWords = {{
    {"matmul", "matrix multiplication"},
    {"attention", "attention"},
    {"elementwise", "norms and element-wise"},
    {"recompute", "recomputation"},
    {"optimizer", "optimizer"},
    {"tensor_parallel", "tensor parallel, exposed"},
    {"context_parallel", "context parallel, exposed"},
    {"expert_parallel", "expert parallel, exposed"},
    {"pipeline_parallel", "pipeline sends, exposed"},
    {"data_parallel", "data parallel, exposed"},
    {"offload", "copies to and from the host, exposed"},
    {"host", "waiting for the host"},
    {"straggler", "waiting for slower ranks"},
    {"bubble", "pipeline bubble"},
}};

}  // namespace

std::string_view CauseName(Cause cause) { return kWords[static_cast<size_t>(cause)].name; }
std::string_view CauseTitle(Cause cause) { return kWords[static_cast<size_t>(cause)].title; }

}  // namespace ridgeline::training
