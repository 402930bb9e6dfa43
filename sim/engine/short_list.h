/// A list of plain values of which the first few lie in the list itself: where most lists are
/// short and there are many of them, that saves an allocation and a cache miss for each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace ridgeline::engine {

template <class T, uint32_t kInside>
class ShortList {
  static_assert(std::is_trivially_copyable_v<T> && kInside * sizeof(T) >= sizeof(T*));

 public:
  ShortList() : inside_() {}
  ShortList(ShortList&& other) noexcept : ShortList() { Exchange(other); }
  ShortList& operator=(ShortList&& other) noexcept {
    Exchange(other);
    return *this;
  }
  ShortList(const ShortList&) = delete;
  ShortList& operator=(const ShortList&) = delete;
  ~ShortList() {
    if (!IsInside()) {
      delete[] outside_;
    }
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return IsInside() ? inside_ : outside_; }
  const T* data() const { return IsInside() ? inside_ : outside_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  const T& back() const { return data()[size_ - 1]; }

  void push_back(const T& value) {
    if (size_ == capacity_) {
      Grow();
    }
    data()[size_++] = value;
  }
  void pop_back() { --size_; }  // memory stays

 private:
  bool IsInside() const { return capacity_ == kInside; }

  void Grow() {
    const uint32_t room = std::max(4u, 2 * capacity_);
    T* const larger = new T[room];
    std::copy_n(data(), size_, larger);
    if (!IsInside()) {
      delete[] outside_;
    }
    capacity_ = room;
    outside_ = larger;
  }

  void Exchange(ShortList& other) {
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(bytes_, other.bytes_);
  }

  struct Bytes {
    alignas(T*) std::byte of[kInside * sizeof(T)];
  };

  uint32_t size_ = 0;
  uint32_t capacity_ = kInside;
  union {
    T inside_[kInside];
    T* outside_;
    Bytes bytes_;
  };
};

}  // namespace ridgeline::engine
