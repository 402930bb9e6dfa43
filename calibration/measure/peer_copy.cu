/// Copies between host and device (pinned memory) and between two GPUs that this process sees.
#include <memory>

#include "calibration/measure/families.cuh"

namespace ridgeline::measure {
namespace {

/// Pinned host memory, kept for the whole run because pinning is slow.
Result<char*> Pinned(size_t bytes) {
  static char* memory = nullptr;
  static size_t size = 0;
  if (bytes > size) {
    if (memory != nullptr) {
      RETURN_IF_ERROR(Cuda(cudaFreeHost(memory), "release pinned memory"));
      memory = nullptr;
      size = 0;
    }
    RETURN_IF_ERROR(Cuda(cudaMallocHost(&memory, bytes), "pin host memory"));
    size = bytes;
  }
  return memory;
}

/// Memory on a neighbour, given back with the point.
struct PeerMemory {
  char* base = nullptr;
  int home = 0;
  int peer = 0;

  explicit PeerMemory(int own, int other) : home(own), peer(other) {}
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;
  ~PeerMemory() {
    if (base != nullptr && cudaSetDevice(peer) == cudaSuccess) {
      static_cast<void>(cudaFree(base));
    }
    static_cast<void>(cudaSetDevice(home));
  }
  Status Open(size_t bytes) {
    int can = 0;
    RETURN_IF_ERROR(Cuda(cudaDeviceCanAccessPeer(&can, home, peer), "ask for peer access"));
    if (can == 0) {
      return Unimplemented("a peer copy without peer access goes through the host: no graph has it");
    }
    const cudaError_t enabled = cudaDeviceEnablePeerAccess(peer, 0);
    if (enabled == cudaErrorPeerAccessAlreadyEnabled) {
      static_cast<void>(cudaGetLastError());
    } else {
      RETURN_IF_ERROR(Cuda(enabled, "enable peer access"));
    }
    RETURN_IF_ERROR(Cuda(cudaSetDevice(peer), "select the peer"));
    const Status taken = Cuda(cudaMalloc(&base, bytes), "allocate on the peer");
    RETURN_IF_ERROR(Cuda(cudaSetDevice(home), "select the device"));
    return taken;
  }
};

}  // namespace

Result<Workload> MakeTransfer(const Point& point, const MakerContext& context) {
  const std::string op = point.op.Text("op");
  const int64_t bytes = point.op.Int("bytes");
  if (bytes < 1) {
    return InvalidArgument("a transfer needs bytes");
  }
  const auto size = static_cast<size_t>(bytes);
  context.arena->Reset();
  Workload workload;
  workload.bytes_per_set = static_cast<double>(bytes);
  workload.most_nodes = 100;
  ASSIGN_OR_RETURN(char* const here, context.arena->Take(Pool::kResults, workload.bytes_per_set));
  if (op == "peer_copy") {
    int count = 0;
    RETURN_IF_ERROR(Cuda(cudaGetDeviceCount(&count), "count the GPUs"));
    if (count < 2) {
      return Unimplemented("a peer copy needs two GPUs that this process sees");
    }
    const int peer = (context.device + 1) % count;
    const auto memory = std::make_shared<PeerMemory>(context.device, peer);
    RETURN_IF_ERROR(memory->Open(size));
    workload.launch = [memory, here, size](cudaStream_t stream, int64_t) {
      // Not cudaMemcpyPeerAsync, which a stream that is being captured refuses: with peer access
      // both addresses are valid here, and a plain copy finds out whose they are.
      return Cuda(cudaMemcpyAsync(memory->base, here, size, cudaMemcpyDefault, stream),
                  "copy to the peer");
    };
  } else {
    ASSIGN_OR_RETURN(char* const host, Pinned(size));
    const bool is_up = op == "host_to_device";
    workload.launch = [=](cudaStream_t stream, int64_t) {
      return is_up ? Cuda(cudaMemcpyAsync(here, host, size, cudaMemcpyHostToDevice, stream),
                          "copy to the device")
                   : Cuda(cudaMemcpyAsync(host, here, size, cudaMemcpyDeviceToHost, stream),
                          "copy to the host");
    };
  }
  workload.library = "cudart";
  return workload;
}

}  // namespace ridgeline::measure
