// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "memory.h"
#include "video/image.h"

namespace avg {

// How the owner of a borrowed picture is told that nobody looks at it any more.
struct Release {
  void (*call)(void* owner) = nullptr;
  void* owner = nullptr;
};

// A picture that is kept: with its own bytes, rows without padding, or in its owner's. Our memory is used again by the
// next Store.
class StoredImage {
 public:
  // In an arena there is room for pictures of `max_bytes`, on the heap for any.
  explicit StoredImage(Arena* arena = nullptr, size_t max_bytes = 0) : bytes_(arena) { bytes_.reserve(max_bytes); }
  ~StoredImage() { Drop(); }
  StoredImage(const StoredImage&) = delete;
  StoredImage& operator=(const StoredImage&) = delete;

  bool Fits(const Image& image) const;
  // Only of pictures that fit. The picture before is dropped.
  void Store(const Image& image);
  void Borrow(const Image& image, Release release);
  // Lets go of a borrowed picture.
  void Drop();
  // The same, but its owner knows.
  void Forget() { release_ = {}; }
  const Image& image() const { return image_; }

 private:
  Image image_;
  Release release_;
  Vector<uint8_t> bytes_;
};

}  // namespace avg
