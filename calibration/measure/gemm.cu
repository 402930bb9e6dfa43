/// GEMM as frameworks call it: cuBLASLt, the first algorithm of its heuristic, 32 MiB of workspace.
///
/// C[m,n] = A[m,k] B[k,n] with everything row-major outside, so cuBLAS (column-major) computes the
/// transpose with n and m exchanged. Layouts name the two transpositions it is then asked for: TN
/// is a linear layer's forward pass (weights [n,k]), NN its input gradient, NT its weight gradient.
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "calibration/measure/families.cuh"

namespace ridgeline::measure {
namespace {

struct Formats {
  cudaDataType_t input = CUDA_R_16BF;
  cudaDataType_t output = CUDA_R_16BF;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  double output_bytes = 2;
  const char* output_name = "bf16";
};

Result<Formats> FormatsOf(const std::string& dtype, const std::string& output) {
  Formats formats;
  if (dtype == "fp16") {
    formats.input = formats.output = CUDA_R_16F;
    formats.output_name = "fp16";
  } else if (dtype == "tf32" || dtype == "fp32") {
    formats.input = formats.output = CUDA_R_32F;
    formats.compute = dtype == "tf32" ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    formats.output_bytes = 4;
    formats.output_name = "fp32";
  } else if (dtype == "fp8") {
    formats.input = CUDA_R_8F_E4M3;
  } else if (dtype == "int8") {
    formats.input = CUDA_R_8I;
    formats.output = formats.scale = CUDA_R_32I;
    formats.compute = CUBLAS_COMPUTE_32I;
    formats.output_bytes = 4;
    formats.output_name = "int32";  // what PyTorch's _int_mm returns
  } else if (dtype != "bf16") {
    return Unimplemented("no GEMM of this data type: " + dtype);
  }
  if (output == "fp32" && dtype != "int8") {
    formats.output = CUDA_R_32F;
    formats.output_bytes = 4;
    formats.output_name = "fp32";
  }
  return formats;
}

/// Owns the descriptors of one matrix product.
struct Product {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr;
  cublasLtMatrixLayout_t b = nullptr;
  cublasLtMatrixLayout_t c = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulHeuristicResult_t chosen = {};
  OperandSets operands;  // a, b, c
  void* workspace = nullptr;
  float one = 1;
  float beta = 0;
  int32_t one_integer = 1;
  int32_t zero_integer = 0;
  bool is_integer = false;

  Product() = default;
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;
  ~Product() {
    if (preference != nullptr) static_cast<void>(cublasLtMatmulPreferenceDestroy(preference));
    if (a != nullptr) static_cast<void>(cublasLtMatrixLayoutDestroy(a));
    if (b != nullptr) static_cast<void>(cublasLtMatrixLayoutDestroy(b));
    if (c != nullptr) static_cast<void>(cublasLtMatrixLayoutDestroy(c));
    if (operation != nullptr) static_cast<void>(cublasLtMatmulDescDestroy(operation));
  }

  template <class T>
  Status Set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    return Cublas(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)),
                  "describe a matrix product");
  }
  Status Launch(cudaStream_t stream, int64_t set) const {
    const void* alpha = is_integer ? static_cast<const void*>(&one_integer) : &one;
    const void* with = is_integer ? static_cast<const void*>(&zero_integer) : &beta;
    char* const result = operands.At(2, set);
    return Cublas(cublasLtMatmul(handle, operation, alpha, operands.At(0, set), a,
                                 operands.At(1, set), b, with, result, c, result, c, &chosen.algo,
                                 workspace, Arena::kWorkspaceBytes, stream),
                  "multiply matrices");
  }
};

Result<cublasLtHandle_t> Handle() {
  static cublasLtHandle_t handle = nullptr;
  if (handle == nullptr) {
    RETURN_IF_ERROR(Cublas(cublasLtCreate(&handle), "start cuBLASLt"));
  }
  return handle;
}

Status Batch(cublasLtMatrixLayout_t layout, int64_t batch, int64_t stride) {
  const auto count = static_cast<int32_t>(batch);
  RETURN_IF_ERROR(Cublas(cublasLtMatrixLayoutSetAttribute(
                             layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)),
                         "describe a batch"));
  return Cublas(cublasLtMatrixLayoutSetAttribute(
                    layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)),
                "describe a batch");
}

/// "66/20x3 splitk 1 cluster 2 ...": enough to see where the library changes its mind.
std::string AlgorithmName(const cublasLtMatmulAlgo_t& algorithm) {
  const auto value = [&](cublasLtMatmulAlgoConfigAttributes_t attribute) {
    int32_t read = -1;
    size_t size = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &read, sizeof(read), &size);
    return std::to_string(status == CUBLAS_STATUS_SUCCESS ? read : -1);
  };
  return value(CUBLASLT_ALGO_CONFIG_ID) + "/" + value(CUBLASLT_ALGO_CONFIG_TILE_ID) + "x" +
         value(CUBLASLT_ALGO_CONFIG_STAGES_ID) + " splitk " +
         value(CUBLASLT_ALGO_CONFIG_SPLITK_NUM) + " cluster " +
         value(CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID) + " swizzle " +
         value(CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING) + " option " +
         value(CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION);
}

std::string LibraryName() {
  const size_t version = cublasLtGetVersion();  // 130100 for 13.1.0
  return "cublasLt " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

/// Reads one element of an operand as a double.
double ElementAt(const std::vector<char>& bytes, cudaDataType_t type, size_t index) {
  switch (type) {
    case CUDA_R_16BF:
      return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(bytes.data())[index]);
    case CUDA_R_16F:
      return __half2float(reinterpret_cast<const __half*>(bytes.data())[index]);
    case CUDA_R_32F:
      return reinterpret_cast<const float*>(bytes.data())[index];
    case CUDA_R_32I:
      return reinterpret_cast<const int32_t*>(bytes.data())[index];
    default:
      return reinterpret_cast<const int8_t*>(bytes.data())[index];
  }
}

struct Shape {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  bool a_is_transposed = true;   // cuBLAS's A: weights
  bool b_is_transposed = false;  // cuBLAS's B: activations
};

/// A few elements of set 0 against a product in double precision on the host.
Status CheckProduct(const Product& product, const Formats& formats, const Shape& shape,
                    cudaStream_t stream) {
  const double moved = static_cast<double>(shape.k) * static_cast<double>(shape.m + shape.n) +
                       static_cast<double>(shape.m) * static_cast<double>(shape.n);
  if (formats.input == CUDA_R_8F_E4M3 || product.beta != 0 || moved > 3e7) {
    return {};
  }
  RETURN_IF_ERROR(product.Launch(stream, 0));
  RETURN_IF_ERROR(Cuda(cudaStreamSynchronize(stream), "multiply matrices"));
  const auto fetch = [](const char* from, double bytes, std::vector<char>& to) {
    to.resize(static_cast<size_t>(bytes));
    return Cuda(cudaMemcpy(to.data(), from, to.size(), cudaMemcpyDeviceToHost), "read back");
  };
  const double width = formats.input == CUDA_R_8I ? 1 : formats.input == CUDA_R_32F ? 4 : 2;
  std::vector<char> a;
  std::vector<char> b;
  std::vector<char> c;
  RETURN_IF_ERROR(
      fetch(product.operands.At(0, 0), static_cast<double>(shape.n * shape.k) * width, a));
  RETURN_IF_ERROR(
      fetch(product.operands.At(1, 0), static_cast<double>(shape.m * shape.k) * width, b));
  RETURN_IF_ERROR(fetch(product.operands.At(2, 0),
                        static_cast<double>(shape.m * shape.n) * formats.output_bytes, c));
  double error = 0;
  double norm = 0;
  for (int64_t probe = 0; probe < 64; ++probe) {
    const int64_t row = probe * 7919 % shape.m;
    const int64_t column = probe * 104729 % shape.n;
    double sum = 0;
    for (int64_t i = 0; i < shape.k; ++i) {
      const int64_t at_a = shape.a_is_transposed ? column * shape.k + i : i * shape.n + column;
      const int64_t at_b = shape.b_is_transposed ? i * shape.m + row : row * shape.k + i;
      sum += ElementAt(a, formats.input, static_cast<size_t>(at_a)) *
             ElementAt(b, formats.input, static_cast<size_t>(at_b));
    }
    const double got = ElementAt(c, formats.output, static_cast<size_t>(row * shape.n + column));
    error += (got - sum) * (got - sum);
    norm += sum * sum;
  }
  if (!(std::sqrt(error) <= 1e-2 * std::sqrt(norm))) {
    return Fail({.code = ErrorCode::kInternal,
                 .message = "a matrix product is wrong: relative error " +
                            std::to_string(std::sqrt(error / norm))});
  }
  return {};
}

/// Both per-tensor scales, 1/112: the inverse of what the inputs were multiplied by.
Result<float*> Scales(const MakerContext& context) {
  ASSIGN_OR_RETURN(char* const memory, context.arena->Take(Pool::kResults, 256));
  const float scale = 1.0F / 112.0F;
  RETURN_IF_ERROR(
      Cuda(cudaMemcpy(memory, &scale, sizeof(scale), cudaMemcpyHostToDevice), "set a scale"));
  return reinterpret_cast<float*>(memory);
}

Status Describe(Product& product, const Formats& formats, const Shape& shape, int64_t batch) {
  RETURN_IF_ERROR(Cublas(
      cublasLtMatmulDescCreate(&product.operation, formats.compute, formats.scale), "describe"));
  const cublasOperation_t a_operation = shape.a_is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t b_operation = shape.b_is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  RETURN_IF_ERROR(product.Set(CUBLASLT_MATMUL_DESC_TRANSA, a_operation));
  RETURN_IF_ERROR(product.Set(CUBLASLT_MATMUL_DESC_TRANSB, b_operation));
  const auto layout = [&](cublasLtMatrixLayout_t* made, cudaDataType_t type, int64_t rows,
                          int64_t columns) -> Status {
    RETURN_IF_ERROR(Cublas(cublasLtMatrixLayoutCreate(made, type, static_cast<uint64_t>(rows),
                                                      static_cast<uint64_t>(columns), rows),
                           "describe a matrix"));
    return batch > 1 ? Batch(*made, batch, rows * columns) : Status();
  };
  const auto [m, n, k] = std::tuple(shape.m, shape.n, shape.k);
  const Status described_a = shape.a_is_transposed ? layout(&product.a, formats.input, k, n)
                                                   : layout(&product.a, formats.input, n, k);
  RETURN_IF_ERROR(described_a);
  const Status described_b = shape.b_is_transposed ? layout(&product.b, formats.input, m, k)
                                                   : layout(&product.b, formats.input, k, m);
  RETURN_IF_ERROR(described_b);
  return layout(&product.c, formats.output, n, m);
}

Status Choose(Product& product) {
  RETURN_IF_ERROR(Cublas(cublasLtMatmulPreferenceCreate(&product.preference), "state preferences"));
  const size_t workspace = Arena::kWorkspaceBytes;
  RETURN_IF_ERROR(Cublas(cublasLtMatmulPreferenceSetAttribute(
                             product.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                             &workspace, sizeof(workspace)),
                         "state preferences"));
  int found = 0;
  RETURN_IF_ERROR(Cublas(cublasLtMatmulAlgoGetHeuristic(
                             product.handle, product.operation, product.a, product.b, product.c,
                             product.c, product.preference, 1, &product.chosen, &found),
                         "find a kernel for this product"));
  return found == 1 ? Status() : Status(Unimplemented("cuBLASLt has no kernel for this product"));
}

}  // namespace

Result<Workload> MakeGemm(const Point& point, const MakerContext& context) {
  const std::string dtype = point.op.Text("dtype", "bf16");
  const std::string layout = point.condition.Text("layout", "TN");
  if (layout != "TN" && layout != "NN" && layout != "NT") {
    return InvalidArgument("layout must be TN, NN or NT: " + layout);
  }
  const Shape shape{.m = point.op.Int("m"),
                    .n = point.op.Int("n"),
                    .k = point.op.Int("k"),
                    .a_is_transposed = layout == "TN",
                    .b_is_transposed = layout == "NT"};
  const int64_t batch = point.op.Int("batch", 1);
  if (shape.m < 1 || shape.n < 1 || shape.k < 1 || batch < 1) {
    return InvalidArgument("a GEMM needs m, n, k and batch of 1 or more");
  }
  ASSIGN_OR_RETURN(const Formats formats, FormatsOf(dtype, point.op.Text("output_dtype")));
  ASSIGN_OR_RETURN(const Pool pool, PoolOf(dtype));
  ASSIGN_OR_RETURN(const double width, ElementBytes(dtype));
  const auto product = std::make_shared<Product>();
  ASSIGN_OR_RETURN(product->handle, Handle());
  product->is_integer = dtype == "int8";
  product->beta = point.op.Flag("accumulates") ? 1 : 0;

  product->workspace = context.arena->workspace();
  const auto count = [batch](int64_t rows, int64_t columns) {
    return static_cast<double>(batch) * static_cast<double>(rows) * static_cast<double>(columns);
  };
  ASSIGN_OR_RETURN(
      product->operands,
      context.arena->TakeSets({{pool, count(shape.n, shape.k) * width},
                               {pool, count(shape.m, shape.k) * width},
                               {Pool::kResults, count(shape.m, shape.n) * formats.output_bytes}}));
  Workload workload;
  workload.sets = product->operands.sets;
  workload.bytes_per_set = product->operands.bytes_per_set;
  RETURN_IF_ERROR(Describe(*product, formats, shape, batch));
  if (dtype == "fp8") {
    ASSIGN_OR_RETURN(float* const scales, Scales(context));
    const int8_t fast = 1;
    RETURN_IF_ERROR(product->Set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales));
    RETURN_IF_ERROR(product->Set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales));
    RETURN_IF_ERROR(product->Set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, fast));
  }
  RETURN_IF_ERROR(Choose(*product));

  workload.launch = [product](cudaStream_t stream, int64_t set) {
    return product->Launch(stream, set);
  };
  if (batch == 1) {
    workload.check = [product, formats, shape, stream = context.stream] {
      return CheckProduct(*product, formats, shape, stream);
    };
  }
  workload.library = LibraryName();
  workload.remarks["algorithm"] = AlgorithmName(product->chosen.algo);
  if (dtype == "int8") {
    workload.remarks["output"] = formats.output_name;
  }
  workload.figures["waves"] = product->chosen.wavesCount;
  return workload;
}

}  // namespace ridgeline::measure
