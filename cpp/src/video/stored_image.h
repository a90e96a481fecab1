// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "video/image.h"

namespace avg {

// A picture with its own bytes, rows without padding.
class StoredImage {
 public:
  void Store(const Image& image);
  const Image& image() const { return image_; }

 private:
  Image image_;
  std::vector<uint8_t> bytes_;
};

// Copies pictures into memory that is used again once nobody holds the copy any more.
class ImageStore {
 public:
  std::shared_ptr<const StoredImage> Copy(const Image& image);

 private:
  std::vector<std::shared_ptr<StoredImage>> images_;
};

}  // namespace avg
