/// Operations bound by memory: which kernel, how many operand sets, what a small case must answer.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "calibration/measure/answer_check.cuh"
#include "calibration/measure/families.cuh"
#include "calibration/measure/hbm_kernels.cuh"
#include "calibration/measure/row_kernels.cuh"

namespace ridgeline::measure {
namespace {

using Bf16 = __nv_bfloat16;
using Fp8 = __nv_fp8_e4m3;

double D(int64_t n) { return static_cast<double>(n); }

template <class T>
T* At(const OperandSets& operands, size_t operand, int64_t set) {
  return reinterpret_cast<T*>(operands.At(operand, set));
}

Workload Over(const OperandSets& operands) {
  Workload workload;
  workload.sets = operands.sets;
  workload.bytes_per_set = operands.bytes_per_set;
  workload.library = "ridgeline kernels";
  return workload;
}

template <class F>
Status Run(const F& units, int64_t count, cudaStream_t stream) {
  const int64_t each = 256 * F::kUnroll;
  EachUnit<<<static_cast<unsigned>((count + each - 1) / each), 256, 0, stream>>>(
      units, static_cast<uint32_t>(count));
  return Launched("run an element-wise kernel");
}

/// Sizes that the 16-byte kernels cannot take are refused, not rounded.
Result<int64_t> PacksOf(int64_t elements, int64_t each) {
  if (elements < each || elements % each != 0) {
    return Unimplemented("this kernel moves 16 bytes at a time: the row must be a multiple of " +
                         std::to_string(each) + " elements: " + std::to_string(elements));
  }
  if (elements / each > int64_t{0xFFFFFFFF}) {
    return Unimplemented("too many elements for one launch: " + std::to_string(elements));
  }
  return elements / each;
}

template <class T>
Pool PoolFor() {
  return sizeof(T) == 4 ? Pool::kFp32 : sizeof(T) == 2 ? Pool::kBf16 : Pool::kFp8;
}

struct RowShape {
  dim3 threads;
  unsigned blocks = 1;
  int packs = 1;  // a thread holds
};

RowShape ShapeOf(int64_t rows, int64_t width) {
  RowShape shape;
  shape.packs = width <= 128 ? 1 : width <= 512 ? 2 : width <= 2048 ? 4 : 8;
  const int64_t lanes = ((width + shape.packs - 1) / shape.packs + 31) / 32 * 32;
  const unsigned together = lanes == 32 ? 4 : 1;
  shape.threads = dim3(static_cast<unsigned>(lanes), together);
  shape.blocks = static_cast<unsigned>((rows + together - 1) / together);
  return shape;
}

template <class T, bool kCentred, bool kResidual>
Result<Workload> NormOf(const Point& point, const MakerContext& context) {
  const int64_t rows = point.op.Int("tokens");
  ASSIGN_OR_RETURN(const int64_t width, PacksOf(point.op.Int("hidden"), Pack<T>::kCount));
  if (width > 8192) {
    return Unimplemented("rows this long do not stay in registers");
  }
  const double size = D(rows) * D(width) * 16;
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets({{PoolFor<T>(), size},
                                            {PoolFor<T>(), kResidual ? size : 0},
                                            {PoolFor<T>(), D(width) * 16},
                                            {Pool::kResults, size},
                                            {Pool::kResults, kResidual ? size : 0}}));
  Workload workload = Over(operands);
  const RowShape shape = ShapeOf(rows, width);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    const auto run = [&](auto kernel) {
      kernel<<<shape.blocks, shape.threads, 0, stream>>>(
          At<const Pack<T>>(operands, 0, set), At<const Pack<T>>(operands, 1, set),
          At<const Pack<T>>(operands, 2, set), At<Pack<T>>(operands, 3, set),
          At<Pack<T>>(operands, 4, set), static_cast<uint32_t>(rows), static_cast<uint32_t>(width));
      return Launched("normalise");
    };
    switch (shape.packs) {
      case 1:
        return run(Normalise<T, 1, kCentred, kResidual>);
      case 2:
        return run(Normalise<T, 2, kCentred, kResidual>);
      case 4:
        return run(Normalise<T, 4, kCentred, kResidual>);
      default:
        return run(Normalise<T, 8, kCentred, kResidual>);
    }
  };
  const int64_t columns = width * Pack<T>::kCount;
  const int64_t last = (rows - 1) * columns;
  workload.check = CheckedBy(
      workload, context.stream, [=] { return Fetch(At<const T>(operands, 3, 0), last, columns); },
      [=] {
        Values row = Fetch(At<const T>(operands, 0, 0), last, columns);
        if (kResidual) {
          row = Zip(row, Fetch(At<const T>(operands, 1, 0), last, columns), std::plus<>());
        }
        return NormOnHost(row, Fetch(At<const T>(operands, 2, 0), 0, columns), kCentred);
      });
  return workload;
}

template <class T>
Result<Workload> Norm(const Point& point, const MakerContext& context) {
  const bool has_residual = point.op.Flag("residual");
  if (point.op.Text("op") == "layernorm") {
    return has_residual ? NormOf<T, true, true>(point, context)
                        : NormOf<T, true, false>(point, context);
  }
  return has_residual ? NormOf<T, false, true>(point, context)
                      : NormOf<T, false, false>(point, context);
}

/// Operations of one input and one result of the same size, by the functor that does them.
template <class T, template <class> class F>
Result<Workload> OneToOne(int64_t elements, double (*on_host)(double),
                          const MakerContext& context) {
  ASSIGN_OR_RETURN(const int64_t packs, PacksOf(elements, Pack<T>::kCount));
  ASSIGN_OR_RETURN(
      const OperandSets operands,
      context.arena->TakeSets({{PoolFor<T>(), D(packs) * 16}, {Pool::kResults, D(packs) * 16}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(F<T>{At<const Pack<T>>(operands, 0, set), At<Pack<T>>(operands, 1, set)}, packs,
               stream);
  };
  const int64_t probed = std::min<int64_t>(elements, 1024);
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const T>(operands, 1, 0), elements - probed, probed); },
      [=] {
        Values values = Fetch(At<const T>(operands, 0, 0), elements - probed, probed);
        std::transform(values.begin(), values.end(), values.begin(), on_host);
        return values;
      });
  return workload;
}

template <class T>
Result<Workload> ResidualAdd(const Point& point, const MakerContext& context) {
  ASSIGN_OR_RETURN(const int64_t packs,
                   PacksOf(point.op.Int("tokens") * point.op.Int("hidden"), Pack<T>::kCount));
  const double size = D(packs) * 16;
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets(
                       {{PoolFor<T>(), size}, {PoolFor<T>(), size}, {Pool::kResults, size}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(AddUnits<T>{At<const Pack<T>>(operands, 0, set), At<const Pack<T>>(operands, 1, set),
                           At<Pack<T>>(operands, 2, set)},
               packs, stream);
  };
  const int64_t elements = packs * Pack<T>::kCount;
  const int64_t probed = std::min<int64_t>(elements, 1024);
  const auto tail = [=](size_t operand) {
    return Fetch(At<const T>(operands, operand, 0), elements - probed, probed);
  };
  workload.check = CheckedBy(
      workload, context.stream, [=] { return tail(2); },
      [=] { return Zip(tail(0), tail(1), std::plus<>()); });
  return workload;
}

template <class T>
Result<Workload> SwiGlu(const Point& point, const MakerContext& context) {
  const int64_t rows = point.op.Int("tokens");
  ASSIGN_OR_RETURN(
      const int64_t width,
      PacksOf(point.op.Int(point.op.Has("hidden") ? "hidden" : "ffn"), Pack<T>::kCount));
  const double size = D(rows) * D(width) * 16;
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets({{PoolFor<T>(), 2 * size}, {Pool::kResults, size}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(SwiGluUnits<T>{At<const Pack<T>>(operands, 0, set), At<Pack<T>>(operands, 1, set),
                              static_cast<uint32_t>(width)},
               rows * width, stream);
  };
  const int64_t columns = width * Pack<T>::kCount;
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const T>(operands, 1, 0), (rows - 1) * columns, columns); },
      [=] {
        const T* const row = At<const T>(operands, 0, 0) + (rows - 1) * 2 * columns;
        return Zip(Fetch(row, 0, columns), Fetch(row, columns, columns),
                   [](double gate, double x) { return gate / (1 + std::exp(-gate)) * x; });
      });
  return workload;
}

template <class T>
Result<Workload> Rotary(const Point& point, const MakerContext& context) {
  constexpr int64_t kPositions = 4096;
  const int64_t heads = point.op.Int("heads") + point.op.Int("kv_heads");
  const int64_t head_dim = point.op.Int("head_dim");
  ASSIGN_OR_RETURN(const int64_t half, PacksOf(head_dim / 2, Pack<T>::kCount));
  const int64_t units = point.op.Int("tokens") * heads * half;
  const double size = D(units) * 32;
  ASSIGN_OR_RETURN(OperandSets operands,
                   context.arena->TakeSets({{PoolFor<T>(), size}, {Pool::kResults, size}}));
  ASSIGN_OR_RETURN(char* const table,
                   context.arena->Take(Pool::kFp32, D(kPositions) * D(head_dim / 2) * 8));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(RotaryUnits<T>{At<const Pack<T>>(operands, 0, set), At<Pack<T>>(operands, 1, set),
                              reinterpret_cast<const float2*>(table), static_cast<uint32_t>(half),
                              static_cast<uint32_t>(heads), static_cast<uint32_t>(kPositions)},
               units, stream);
  };
  // The last head of the last token.
  const int64_t tokens = point.op.Int("tokens");
  const int64_t last = (tokens * heads - 1) * head_dim;
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const T>(operands, 1, 0), last, head_dim / 2); },
      [=] {
        const int64_t position = (tokens - 1) % kPositions;
        const Values angles =
            Fetch(reinterpret_cast<const float*>(table), position * head_dim, head_dim);
        const Values x = Fetch(At<const T>(operands, 0, 0), last, head_dim);
        Values turned;
        for (size_t j = 0; j < x.size() / 2; ++j) {
          turned.push_back(x[j] * angles[2 * j] - x[j + x.size() / 2] * angles[2 * j + 1]);
        }
        return turned;
      });
  return workload;
}

template <class T, class Out>
Result<Workload> SoftmaxOf(int64_t rows, int64_t columns, const MakerContext& context) {
  ASSIGN_OR_RETURN(const int64_t width, PacksOf(columns, Pack<T>::kCount));
  ASSIGN_OR_RETURN(
      const OperandSets operands,
      context.arena->TakeSets({{PoolFor<T>(), D(rows) * D(width) * 16},
                               {Pool::kResults, D(rows) * D(columns) * D(sizeof(Out))}}));
  constexpr int64_t kMostKept = 6144;  // packs: 96 KiB, so that two blocks share a multiprocessor
  const int64_t kept = width <= kMostKept ? width : 0;
  RETURN_IF_ERROR(
      Cuda(cudaFuncSetAttribute(Softmax<T, Out>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                static_cast<int>(kMostKept * 16)),
           "ask for shared memory"));
  const int64_t lanes = width <= 256 ? 128 : width <= 2048 ? 256 : 1024;
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    Softmax<T, Out><<<static_cast<unsigned>(rows), static_cast<unsigned>(lanes),
                      static_cast<size_t>(kept) * 16, stream>>>(
        At<const Pack<T>>(operands, 0, set), At<Out>(operands, 1, set),
        static_cast<uint32_t>(width), static_cast<uint32_t>(kept));
    return Launched("softmax");
  };
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const Out>(operands, 1, 0), (rows - 1) * columns, columns); },
      [=] {
        return SoftmaxOnHost(Fetch(At<const T>(operands, 0, 0), (rows - 1) * columns, columns));
      });
  return workload;
}

/// Tokens are drawn evenly from the whole vocabulary, which is kept to what fits.
template <class T>
Result<Workload> Embedding(const Point& point, const MakerContext& context) {
  const int64_t rows = point.op.Int("tokens");
  const int64_t vocabulary = point.op.Int("vocabulary", 128256);
  ASSIGN_OR_RETURN(const int64_t width, PacksOf(point.op.Int("hidden"), Pack<T>::kCount));
  context.arena->Reset();
  ASSIGN_OR_RETURN(char* const table,
                   context.arena->Take(PoolFor<T>(), D(vocabulary) * D(width) * 16));
  OperandSets operands;
  const double size = std::ceil(D(rows) * D(width) * 16 / 256) * 256;
  const double list = std::ceil(D(rows) * 4 / 256) * 256;
  operands.sets = std::min<int64_t>(context.arena->SetsFor(2 * size), 64);
  operands.bytes_per_set = 2 * size + list;
  operands.strides = {static_cast<size_t>(size), static_cast<size_t>(list)};
  ASSIGN_OR_RETURN(char* const out, context.arena->Take(Pool::kResults, size * D(operands.sets)));
  ASSIGN_OR_RETURN(char* const lists, context.arena->Take(Pool::kResults, list * D(operands.sets)));
  operands.bases = {out, lists};
  std::vector<int> tokens(static_cast<size_t>(list) / 4 * static_cast<size_t>(operands.sets));
  uint64_t state = 1;
  for (int& token : tokens) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    token = static_cast<int>((state >> 33) % static_cast<uint64_t>(vocabulary));
  }
  RETURN_IF_ERROR(Cuda(cudaMemcpy(lists, tokens.data(), tokens.size() * 4, cudaMemcpyHostToDevice),
                       "draw tokens"));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(
        EmbeddingUnits<T>{reinterpret_cast<const Pack<T>*>(table), At<const int>(operands, 1, set),
                          At<Pack<T>>(operands, 0, set), static_cast<uint32_t>(width)},
        rows * width, stream);
  };
  const int64_t columns = width * Pack<T>::kCount;
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const T>(operands, 0, 0), (rows - 1) * columns, columns); },
      [=, token = tokens[static_cast<size_t>(rows - 1)]] {
        return Fetch(reinterpret_cast<const T*>(table), token * columns, columns);
      });
  return workload;
}

template <class Gradient, class Weight>
Result<Workload> AdamOf(int64_t parameters, bool has_weights, const MakerContext& context) {
  ASSIGN_OR_RETURN(const int64_t units, PacksOf(parameters, 8));
  const double states = D(parameters) * 4;
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets(
                       {{PoolFor<Gradient>(), D(parameters) * D(sizeof(Gradient))},
                        {Pool::kFp32, states},
                        {Pool::kFp32, states},
                        {Pool::kFp32, states},
                        {Pool::kResults, has_weights ? D(parameters) * D(sizeof(Weight)) : 0.0}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(
        AdamUnits<Gradient, Weight>{
            At<const Pack<Gradient>>(operands, 0, set), At<Pack<float>>(operands, 1, set),
            At<Pack<float>>(operands, 2, set), At<Pack<float>>(operands, 3, set),
            has_weights ? At<Pack<Weight>>(operands, 4, set) : nullptr},
        units, stream);
  };
  // The master copy of the last eight parameters.
  const auto tail = [=](size_t operand) {
    return Fetch(At<const float>(operands, operand, 0), parameters - 8, 8);
  };
  workload.check = CheckedBy(
      workload, context.stream, [=] { return tail(1); },
      [=] {
        const Values g = Fetch(At<const Gradient>(operands, 0, 0), parameters - 8, 8);
        Values p = tail(1);
        const Values m = tail(2);
        const Values v = tail(3);
        for (size_t i = 0; i < p.size(); ++i) {
          const double first = 0.9 * m[i] + 0.1 * g[i];
          const double second = 0.95 * v[i] + 0.05 * g[i] * g[i];
          p[i] -= 3e-4 * (first / (std::sqrt(std::fabs(second)) + 1e-8) + 0.1 * p[i]);
        }
        return p;
      },
      1e-4);
  return workload;
}

Result<Workload> Adam(const Point& point, const MakerContext& context) {
  const int64_t parameters = point.op.Int("parameters");
  const std::string gradient = point.op.Text("gradient_dtype", "fp32");
  const bool has_weights = point.op.Text("dtype", "bf16") != "fp32";
  if (gradient == "fp32") {
    return AdamOf<float, Bf16>(parameters, has_weights, context);
  }
  if (gradient == "bf16") {
    return AdamOf<Bf16, Bf16>(parameters, has_weights, context);
  }
  return Unimplemented("Adam takes gradients in fp32 or bf16: " + gradient);
}

template <class From, class To>
Result<Workload> CastOf(int64_t elements, const MakerContext& context) {
  ASSIGN_OR_RETURN(const int64_t units, PacksOf(elements, 16));
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets({{PoolFor<From>(), D(elements) * D(sizeof(From))},
                                            {Pool::kResults, D(elements) * D(sizeof(To))}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Run(CastUnits<From, To>{At<const Pack<From>>(operands, 0, set),
                                   At<Pack<To>>(operands, 1, set), sizeof(To) == 1 ? 112.0F : 1.0F},
               units, stream);
  };
  const int64_t probed = std::min<int64_t>(elements, 1024);
  workload.check = CheckedBy(
      workload, context.stream,
      [=] { return Fetch(At<const To>(operands, 1, 0), elements - probed, probed); },
      [=] {
        Values values = Fetch(At<const From>(operands, 0, 0), elements - probed, probed);
        for (double& value : values) value *= sizeof(To) == 1 ? 112.0 : 1.0;
        return values;
      },
      sizeof(To) == 1 ? 5e-2 : 1e-2);
  return workload;
}

/// To fp8 it is quantisation with a given per-tensor scale.
Result<Workload> Cast(const Point& point, const MakerContext& context) {
  const std::string from = point.op.Text("dtype", "bf16");
  const std::string to = point.op.Text("output_dtype");
  const int64_t elements = point.op.Has("elements")
                               ? point.op.Int("elements")
                               : point.op.Int("tokens") * point.op.Int("hidden");
  if (from == "bf16" && to == "fp32") return CastOf<Bf16, float>(elements, context);
  if (from == "fp32" && to == "bf16") return CastOf<float, Bf16>(elements, context);
  if (from == "bf16" && to == "fp8") return CastOf<Bf16, Fp8>(elements, context);
  if (from == "fp32" && to == "fp8") return CastOf<float, Fp8>(elements, context);
  return Unimplemented("no cast from " + from + " to " + to);
}

template <int kBits>
Result<Workload> Gemv(const Point& point, const MakerContext& context) {
  const int64_t n = point.op.Int("n");
  const int64_t k = point.op.Int("k");
  if (point.op.Int("m", 1) != 1 || k % 128 != 0) {
    return Unimplemented("dequantising GEMV is measured for m of 1 and k a multiple of 128");
  }
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets({{Pool::kInt8, D(n) * D(k) * kBits / 8},
                                            {Pool::kBf16, D(n) * D(k) / 128 * 2},
                                            {Pool::kBf16, D(k) * 2},
                                            {Pool::kResults, D(n) * 2}}));
  Workload workload = Over(operands);
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    constexpr int64_t kRows = 8;  // a block: eight warps
    DequantGemv<kBits><<<static_cast<unsigned>((n + kRows - 1) / kRows), 32 * kRows, 0, stream>>>(
        At<const uint4>(operands, 0, set), At<const Bf16>(operands, 1, set),
        At<const Bf16>(operands, 2, set), At<Bf16>(operands, 3, set), static_cast<uint32_t>(n),
        static_cast<uint32_t>(k));
    return Launched("multiply by quantised weights");
  };
  // The last output. Two int4 share a byte, the lower half first.
  workload.check = CheckedBy(
      workload, context.stream, [=] { return Fetch(At<const Bf16>(operands, 3, 0), n - 1, 1); },
      [=] {
        const int64_t bytes = k * kBits / 8;
        const Values packed = Fetch(At<const int8_t>(operands, 0, 0), (n - 1) * bytes, bytes);
        const Values scales = Fetch(At<const Bf16>(operands, 1, 0), (n - 1) * (k / 128), k / 128);
        const Values x = Fetch(At<const Bf16>(operands, 2, 0), 0, k);
        double sum = 0;
        for (size_t i = 0; i < x.size(); ++i) {
          const int byte = static_cast<int>(packed[i * kBits / 8]);
          const int high = byte >> 4;
          const int low = ((byte & 15) ^ 8) - 8;
          const double w = kBits == 8 ? byte : i % 2 == 1 ? high : low;
          sum += w * scales[i / 128] * x[i];
        }
        return Values{sum};
      },
      3e-2);
  return workload;
}

template <class T>
Result<Workload> MakeIn(const std::string& op, const Point& point, const MakerContext& context) {
  const int64_t tokens = point.op.Int("tokens");
  const int64_t width = point.op.Int(point.op.Has("hidden") ? "hidden" : "ffn");
  if (op == "rmsnorm" || op == "layernorm") return Norm<T>(point, context);
  if (op == "rotary") return Rotary<T>(point, context);
  if (op == "swiglu") return SwiGlu<T>(point, context);
  if (op == "gelu") return OneToOne<T, GeluUnits>(tokens * width, GeluOnHost, context);
  if (op == "residual_add" || op == "residual") return ResidualAdd<T>(point, context);
  if (op == "softmax") return SoftmaxOf<T, T>(tokens, width, context);
  if (op == "cross_entropy") {
    return SoftmaxOf<T, float>(tokens, point.op.Int("vocabulary"), context);
  }
  if (op == "embedding") return Embedding<T>(point, context);
  return Unimplemented("not measured by this program: " + op);
}

}  // namespace

Result<Workload> MakeMemoryBound(const Point& point, const MakerContext& context) {
  const std::string op = point.op.Text("op");
  const std::string dtype = point.op.Text("dtype", "bf16");
  if (op == "adam" || op == "optimizer") return Adam(point, context);
  if (op == "cast") return Cast(point, context);
  // Half is read and half is written.
  if (op == "copy")
    return OneToOne<Bf16, CopyUnits>(
        point.op.Int("bytes") / 4, [](double x) { return x; }, context);
  if (op == "dequant_gemv") {
    return dtype == "int4" ? Gemv<4>(point, context) : Gemv<8>(point, context);
  }
  if (dtype == "fp32") return MakeIn<float>(op, point, context);
  if (dtype == "bf16") return MakeIn<Bf16>(op, point, context);
  return Unimplemented("memory-bound kernels are measured in bf16 and fp32: " + dtype);
}

}  // namespace ridgeline::measure
