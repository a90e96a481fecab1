// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "memory.h"
#include "video/image.h"

namespace avg {

// A picture with its own bytes, rows without padding. The memory is used again by the next Store.
class StoredImage {
 public:
  // In an arena there is room for pictures of `max_bytes`, on the heap for any.
  explicit StoredImage(Arena* arena = nullptr, size_t max_bytes = 0) : bytes_(arena) { bytes_.reserve(max_bytes); }

  bool Fits(const Image& image) const;
  // Only of pictures that fit.
  void Store(const Image& image);
  const Image& image() const { return image_; }

 private:
  Image image_;
  Vector<uint8_t> bytes_;
};

}  // namespace avg
