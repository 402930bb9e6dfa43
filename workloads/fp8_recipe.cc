#include "workloads/fp8_recipe.h"

namespace ridgeline::workloads {

EnumTable<Fp8Scaling> EnumNames(Tag<Fp8Scaling>) {
  static constexpr std::array<std::pair<std::string_view, Fp8Scaling>, 3> kTable = {{
      {"delayed", Fp8Scaling::kDelayed},
      {"current", Fp8Scaling::kCurrent},
      {"blockwise", Fp8Scaling::kBlockwise},
  }};
  return kTable;
}

const Schema<Fp8Recipe>& SchemaOf(Tag<Fp8Recipe>) {
  static const Schema<Fp8Recipe> schema =
      Schema<Fp8Recipe>("how linear layers train in fp8")
          .Optional("scaling", &Fp8Recipe::scaling,
                    "delayed and current: one scale a tensor, from past steps or from a pass over "
                    "it; blockwise: a scale for 128 values")
          .Optional("keeps_weights", &Fp8Recipe::keeps_weights,
                    "the weights that compute are kept and gathered in fp8")
          .Optional("dispatches", &Fp8Recipe::dispatches, "tokens are sent to experts in fp8")
          .Optional("gathers_activations", &Fp8Recipe::gathers_activations,
                    "tensor-parallel gathers move the fp8 copy");
  return schema;
}

const Schema<Fp8Kernels>& SchemaOf(Tag<Fp8Kernels>) {
  static const Schema<Fp8Kernels> schema =
      Schema<Fp8Kernels>("what a framework's kernels do of the quantisation to fp8")
          .Optional("norm", &Fp8Kernels::norm,
                    "the norm before a product writes fp8 (delayed scaling)")
          .Optional("activation", &Fp8Kernels::activation,
                    "the activation before a product writes fp8 (delayed scaling)")
          .Optional("keeps_inputs", &Fp8Kernels::keeps_inputs,
                    "inputs are kept for the weight gradient as fp8 copies")
          .Optional("keeps_weight_copies", &Fp8Kernels::keeps_weight_copies,
                    "weights are quantised once a step and their copies kept")
          .Optional("fast_gradients", &Fp8Kernels::fast_gradients,
                    "gradients' products add up as fast as the forward's");
  return schema;
}

}  // namespace ridgeline::workloads
