/// Device memory for operands, allocated once a data type and given out anew to every point, so
/// that setting up a point costs microseconds. Inputs hold random data of their type (zeros draw
/// less power and run faster); results go to a pool of their own, so that inputs stay what they
/// are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "calibration/measure/cuda_status.cuh"

namespace ridgeline::measure {

enum class Pool { kBf16, kFp16, kFp32, kFp8, kInt8, kResults };

/// The pool that holds operands of a data type of `cost` lines. tf32 is stored as fp32.
Result<Pool> PoolOf(const std::string& dtype);
/// Bytes of an element of such a type.
Result<double> ElementBytes(const std::string& dtype);

/// One operand of a point: which pool it comes from and how large it is.
struct Need {
  Pool pool = Pool::kBf16;
  double bytes = 0;
};

/// Operands of a point, several sets of them.
struct OperandSets {
  std::vector<char*> bases;
  std::vector<size_t> strides;
  int64_t sets = 1;
  double bytes_per_set = 0;

  char* At(size_t operand, int64_t set) const {
    return bases[operand] + static_cast<size_t>(set) * strides[operand];
  }
};

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Reads the sizes of the device's memory and L2; allocates the flush buffer and the workspace.
  Status Open(int device);
  /// Everything given out since the last Hold returns.
  void Reset();
  /// What is out now stays out for the Resets that follow; with false all may return again.
  void Hold(bool holds);
  /// `bytes` of the pool, aligned to 256. kResourceExhausted when the pool has not that much left.
  Result<char*> Take(Pool pool, double bytes);
  /// As many sets as it takes (SetsFor), or as fit, after a Reset.
  Result<OperandSets> TakeSets(const std::vector<Need>& needs, int64_t most_sets = kMostSets);
  /// How many operand sets of `bytes` each (all pools together) it takes to keep any one of them
  /// out of L2 until its turn comes again: at least two, at most kMostSets.
  int64_t SetsFor(double bytes) const;
  /// Reads twice L2 of memory that belongs to no point.
  Status FlushL2(cudaStream_t stream);

  char* workspace() const { return workspace_; }
  /// What frameworks give cuBLAS on Hopper (PyTorch's default there).
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;
  static constexpr int64_t kMostSets = 512;
  double l2_bytes() const { return l2_bytes_; }
  int multiprocessors() const { return multiprocessors_; }

 private:
  struct Slab {
    char* base = nullptr;
    size_t size = 0;
    size_t used = 0;
    size_t held = 0;
  };
  std::array<Slab, 6> slabs_;
  char* workspace_ = nullptr;
  char* flush_ = nullptr;
  size_t flush_bytes_ = 0;
  double total_bytes_ = 0;
  double l2_bytes_ = 0;
  int multiprocessors_ = 0;
};

}  // namespace ridgeline::measure
