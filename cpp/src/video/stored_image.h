// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "video/image.h"

namespace avg {

// A picture with its own bytes, rows without padding. The memory is used again by the next Store.
class StoredImage {
 public:
  void Store(const Image& image);
  const Image& image() const { return image_; }

 private:
  Image image_;
  std::vector<uint8_t> bytes_;
};

}  // namespace avg
