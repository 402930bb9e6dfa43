/// The experts of a mixture as one call: cublasGemmGroupedBatchedEx, one group an expert.
///
/// `with` says how the rows fall to the experts: "balanced" (also where nothing is said) or
/// "skewed", where expert i has a share proportional to 1 / (i + 1) (Zipf).
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include <cublas_v2.h>

#include "calibration/measure/families.cuh"

namespace ridgeline::measure {
namespace {

Result<cublasHandle_t> Handle(const MakerContext& context) {
  static cublasHandle_t handle = nullptr;
  if (handle == nullptr) {
    RETURN_IF_ERROR(Cublas(cublasCreate(&handle), "start cuBLAS"));
    RETURN_IF_ERROR(
        Cublas(cublasSetWorkspace(handle, context.arena->workspace(), Arena::kWorkspaceBytes),
               "give cuBLAS its workspace"));
  }
  return handle;
}

std::vector<int64_t> RowsOfExperts(int64_t groups, int64_t rows, bool is_skewed) {
  std::vector<double> shares(static_cast<size_t>(groups), 1.0);
  if (is_skewed) {
    for (size_t i = 0; i < shares.size(); ++i) {
      shares[i] = 1.0 / static_cast<double>(i + 1);
    }
  }
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<int64_t> given(shares.size());
  double share_so_far = 0;
  int64_t rows_so_far = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    share_so_far += shares[i];
    const int64_t upto = std::llround(static_cast<double>(rows) * share_so_far / all);
    given[i] = upto - rows_so_far;
    rows_so_far = upto;
  }
  return given;
}

/// The arrays that the call takes, for every operand set.
struct Groups {
  cublasHandle_t handle = nullptr;
  std::vector<cublasOperation_t> transposed;
  std::vector<cublasOperation_t> plain;
  std::vector<int> m;  // in cuBLAS's order: outputs, rows, reduced
  std::vector<int> n;
  std::vector<int> k;
  std::vector<int> one;
  std::vector<float> alpha;
  std::vector<float> beta;
  void** pointers = nullptr;  // on the device: per set A, B and C of each expert
  size_t experts = 0;
};

}  // namespace

Result<Workload> MakeGroupedGemm(const Point& point, const MakerContext& context) {
  const std::string dtype = point.op.Text("dtype", "bf16");
  if (dtype != "bf16" || point.op.Flag("weight_gradient")) {
    return Unimplemented("grouped GEMM is measured in bf16, forward");
  }
  const int64_t groups = point.op.Int("groups");
  const int64_t rows = point.op.Int("m");
  const int64_t n = point.op.Int("n");
  const int64_t k = point.op.Int("k");
  if (groups < 1 || rows < 1 || n < 1 || k < 1) {
    return InvalidArgument("a grouped GEMM needs groups, m, n and k of 1 or more");
  }
  std::vector<int64_t> given = RowsOfExperts(groups, rows, point.with.ends_with("skewed"));
  const auto state = std::make_shared<Groups>();
  ASSIGN_OR_RETURN(state->handle, Handle(context));

  const auto d = [](int64_t count) { return static_cast<double>(count); };
  const double a_bytes = d(groups) * d(n) * d(k) * 2;
  const double b_bytes = d(rows) * d(k) * 2;
  const double c_bytes = d(rows) * d(n) * 2;
  ASSIGN_OR_RETURN(
      const OperandSets operands,
      context.arena->TakeSets(
          {{Pool::kBf16, a_bytes}, {Pool::kBf16, b_bytes}, {Pool::kResults, c_bytes}}, 16));
  Workload workload;
  workload.bytes_per_set = operands.bytes_per_set;
  workload.sets = operands.sets;
  workload.most_nodes = 100;
  std::vector<void*> pointers;
  std::vector<int64_t> used;
  for (const int64_t mine : given) {
    if (mine > 0) {
      used.push_back(mine);
    }
  }
  const size_t experts = used.size();
  for (int64_t set = 0; set < workload.sets; ++set) {
    std::vector<void*> as;
    std::vector<void*> bs;
    std::vector<void*> cs;
    double before = 0;
    for (size_t i = 0; i < experts; ++i) {
      as.push_back(operands.At(0, set) + i * static_cast<size_t>(n * k * 2));
      bs.push_back(operands.At(1, set) + static_cast<size_t>(before * d(k) * 2));
      cs.push_back(operands.At(2, set) + static_cast<size_t>(before * d(n) * 2));
      before += d(used[i]);
    }
    pointers.insert(pointers.end(), as.begin(), as.end());
    pointers.insert(pointers.end(), bs.begin(), bs.end());
    pointers.insert(pointers.end(), cs.begin(), cs.end());
  }
  const size_t pointer_bytes = pointers.size() * sizeof(void*);
  ASSIGN_OR_RETURN(char* const table,
                   context.arena->Take(Pool::kResults, static_cast<double>(pointer_bytes)));
  RETURN_IF_ERROR(Cuda(cudaMemcpy(table, pointers.data(), pointer_bytes, cudaMemcpyHostToDevice),
                       "set the experts' pointers"));
  state->pointers = reinterpret_cast<void**>(table);
  state->experts = experts;
  state->transposed.assign(experts, CUBLAS_OP_T);
  state->plain.assign(experts, CUBLAS_OP_N);
  state->m.assign(experts, static_cast<int>(n));
  state->k.assign(experts, static_cast<int>(k));
  state->one.assign(experts, 1);
  state->alpha.assign(experts, 1);
  state->beta.assign(experts, 0);
  for (const int64_t mine : used) {
    state->n.push_back(static_cast<int>(mine));
  }
  workload.launch = [state](cudaStream_t stream, int64_t set) -> Status {
    Groups& g = *state;
    void** const first = g.pointers + static_cast<size_t>(set) * 3 * g.experts;
    RETURN_IF_ERROR(Cublas(cublasSetStream(g.handle, stream), "set the stream"));
    return Cublas(cublasGemmGroupedBatchedEx(
                      g.handle, g.transposed.data(), g.plain.data(), g.m.data(), g.n.data(),
                      g.k.data(), g.alpha.data(), first, CUDA_R_16BF, g.k.data(), first + g.experts,
                      CUDA_R_16BF, g.k.data(), g.beta.data(), first + 2 * g.experts, CUDA_R_16BF,
                      g.m.data(), static_cast<int>(g.experts), g.one.data(), CUBLAS_COMPUTE_32F),
                  "multiply the experts' matrices");
  };
  int version = 0;
  RETURN_IF_ERROR(Cublas(cublasGetVersion(state->handle, &version), "read cuBLAS's version"));
  workload.library = "cublas grouped " + std::to_string(version / 10000) + "." +
                     std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  workload.figures["experts_used"] = static_cast<double>(experts);
  workload.figures["most_rows"] = d(*std::max_element(used.begin(), used.end()));
  return workload;
}

}  // namespace ridgeline::measure
