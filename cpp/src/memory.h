// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace avg {

// Hands out one block of memory from front to back and never grows. Nothing is given back but by rewinding.
class Arena {
 public:
  static constexpr size_t kAlignment = 64;  // of the block, and the most that can be asked for

  // The caller's block; used from its first aligned byte on.
  Arena(void* block, size_t size);
  // Measures instead: takes from the heap, and counts what a block of the first kind must hold.
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Null when the block is used up.
  void* Take(size_t bytes, size_t alignment);
  size_t used() const { return used_; }
  // Forgets everything taken since used() was `mark`. Not for measuring.
  void Rewind(size_t mark) { used_ = mark; }

 private:
  struct Piece {
    Piece* next;
  };

  const bool measures_ = true;
  uint8_t* base_ = nullptr;
  size_t size_ = 0, used_ = 0;
  Piece* pieces_ = nullptr;  // of a measuring arena
};

// Takes from an arena; without one, from the heap.
template <typename T>
class Allocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  Allocator(Arena* arena = nullptr) : arena_(arena) {}  // NOLINT: lets a container be made from an arena
  template <typename U>
  Allocator(const Allocator<U>& other) : arena_(other.arena()) {}  // NOLINT: required of allocators

  T* allocate(size_t count) {
    if (arena_ == nullptr) return std::allocator<T>().allocate(count);
    // Long arrays begin on a cache line: vector instructions and accelerators like that.
    const size_t alignment = count * sizeof(T) < Arena::kAlignment ? alignof(T) : Arena::kAlignment;
    void* memory = count > SIZE_MAX / sizeof(T) ? nullptr : arena_->Take(count * sizeof(T), alignment);
    if (memory == nullptr) OutOfMemory();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) {
    if (arena_ == nullptr) std::allocator<T>().deallocate(memory, count);
  }
  Arena* arena() const { return arena_; }

  friend bool operator==(const Allocator& a, const Allocator& b) { return a.arena_ == b.arena_; }
  friend bool operator!=(const Allocator& a, const Allocator& b) { return a.arena_ != b.arena_; }

 private:
  [[noreturn]] static void OutOfMemory() {
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }

  Arena* arena_;
};

template <typename T>
using Vector = std::vector<T, Allocator<T>>;

// Whether `count` more elements fit without leaving an arena's block. On the heap anything fits.
template <typename T>
bool HasRoom(const Vector<T>& vector, size_t count) {
  return vector.get_allocator().arena() == nullptr || vector.capacity() - vector.size() >= count;
}

// Owns an object that lies in an arena, or on the heap without one.
struct Destroy {
  Arena* arena = nullptr;

  template <typename T>
  void operator()(T* object) const {
    if (arena != nullptr) {
      object->~T();
    } else {
      delete object;
    }
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Destroy>;

template <typename T, typename... Arguments>
Owned<T> MakeOwned(Arena* arena, Arguments&&... arguments) {
  if (arena == nullptr) return Owned<T>(new T(std::forward<Arguments>(arguments)...));
  T* memory = Allocator<T>(arena).allocate(1);
  return Owned<T>(new (memory) T(std::forward<Arguments>(arguments)...), Destroy{arena});
}

}  // namespace avg
