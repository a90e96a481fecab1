// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <stdlib.h>  // newlib has aligned_alloc, but not in std

namespace avg {
namespace {

size_t RoundUp(size_t value, size_t step) { return (value + step - 1) / step * step; }

}  // namespace

Arena::Arena(void* block, size_t size) : measures_(false) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  const size_t skip = RoundUp(address, kAlignment) - address;
  if (size < skip) return;
  base_ = static_cast<uint8_t*>(block) + skip;
  size_ = size - skip;
}

Arena::~Arena() {
  while (pieces_ != nullptr) {
    Piece* next = pieces_->next;
    std::free(pieces_);
    pieces_ = next;
  }
}

void* Arena::Take(size_t bytes, size_t alignment) {
  if (alignment > kAlignment) return nullptr;
  const size_t from = RoundUp(used_, alignment);
  if (measures_) {
    if (bytes > SIZE_MAX / 2) return nullptr;
    // A cache line in front holds the link, which keeps the rest aligned.
    auto* piece = static_cast<Piece*>(aligned_alloc(kAlignment, RoundUp(bytes, kAlignment) + kAlignment));
    if (piece == nullptr) return nullptr;
    piece->next = pieces_;
    pieces_ = piece;
    used_ = from + bytes;
    return reinterpret_cast<uint8_t*>(piece) + kAlignment;
  }
  if (from > size_ || bytes > size_ - from) return nullptr;
  used_ = from + bytes;
  return base_ + from;
}

}  // namespace avg
