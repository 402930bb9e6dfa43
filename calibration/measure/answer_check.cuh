/// Answers of kernels against references on the host, in double precision, a few rows of each.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "calibration/measure/hbm_kernels.cuh"
#include "calibration/measure/timer.cuh"

namespace ridgeline::measure {

inline double AsDouble(float x) { return x; }
inline double AsDouble(__nv_bfloat16 x) { return __bfloat162float(x); }
inline double AsDouble(__nv_fp8_e4m3 x) { return static_cast<float>(x); }
inline double AsDouble(int8_t x) { return x; }
inline double AsDouble(int x) { return x; }

/// `count` elements from `first` on, as doubles; empty when they could not be read.
template <class T>
std::vector<double> Fetch(const T* device, int64_t first, int64_t count) {
  std::vector<T> raw(static_cast<size_t>(count));
  std::vector<double> values;
  if (cudaMemcpy(raw.data(), device + first, raw.size() * sizeof(T), cudaMemcpyDeviceToHost) ==
      cudaSuccess) {
    for (const T value : raw) {
      values.push_back(AsDouble(value));
    }
  }
  return values;
}

using Values = std::vector<double>;

/// ||got - wanted|| / ||wanted|| within `tolerance`; NaN and missing values never pass.
inline Status Compare(const Values& got, const Values& wanted, double tolerance) {
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < wanted.size() && i < got.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  if (wanted.empty() || got.size() != wanted.size() || !(error <= tolerance * tolerance * norm)) {
    return Fail(
        {.code = ErrorCode::kInternal,
         .message = "wrong answer: relative error " + std::to_string(std::sqrt(error / norm))});
  }
  return {};
}

/// Launches set 0 once and waits, then compares: bf16 answers to 1 %.
inline std::function<Status()> CheckedBy(const Workload& workload, cudaStream_t stream,
                                         std::function<Values()> got,
                                         std::function<Values()> wanted, double tolerance = 1e-2) {
  return [=, launch = workload.launch]() -> Status {
    const Values expected = wanted();  // before: some kernels work in place
    RETURN_IF_ERROR(launch(stream, 0));
    RETURN_IF_ERROR(Cuda(cudaStreamSynchronize(stream), "run a kernel to check it"));
    return Compare(got(), expected, tolerance);
  };
}

/// wanted[i] = of(first[i], second[i]).
template <class F>
Values Zip(const Values& first, const Values& second, F of) {
  Values result;
  for (size_t i = 0; i < first.size() && i < second.size(); ++i) {
    result.push_back(of(first[i], second[i]));
  }
  return result;
}

inline Values SoftmaxOnHost(Values row) {
  double greatest = -INFINITY;
  double sum = 0;
  for (const double x : row) greatest = std::fmax(greatest, x);
  for (double& x : row) sum += x = std::exp(x - greatest);
  for (double& x : row) x /= sum;
  return row;
}

inline Values NormOnHost(const Values& row, const Values& weight, bool is_centred) {
  const double count = static_cast<double>(row.size());
  double mean = 0;
  double squares = 0;
  for (const double x : row) mean += is_centred ? x / count : 0;
  for (const double x : row) squares += (x - mean) * (x - mean) / count;
  return Zip(row, weight,
             [&](double x, double w) { return (x - mean) / std::sqrt(squares + 1e-5) * w; });
}

inline double GeluOnHost(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
}

}  // namespace ridgeline::measure
