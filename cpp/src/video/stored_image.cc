// SPDX-License-Identifier: Apache-2.0
#include "video/stored_image.h"

#include <cstring>

namespace avg {

namespace {

size_t PackedBytes(const Image& image) {
  size_t total = 0;
  for (int plane = 0; plane < PlaneCount(image.format); ++plane) {
    total += RowBytes(image, plane) * static_cast<size_t>(PlaneRows(image, plane));
  }
  return total;
}

}  // namespace

bool StoredImage::Fits(const Image& image) const {
  const size_t bytes = PackedBytes(image);
  return bytes <= bytes_.size() || HasRoom(bytes_, bytes - bytes_.size());
}

void StoredImage::Drop() {
  const Release release = release_;
  release_ = {};
  if (release.call != nullptr) release.call(release.owner);
}

void StoredImage::Borrow(const Image& image, Release release) {
  Drop();
  image_ = image;
  release_ = release;
}

void StoredImage::Store(const Image& image) {
  Drop();
  bytes_.resize(PackedBytes(image));
  image_ = image;
  uint8_t* to = bytes_.data();
  for (int plane = 0; plane < PlaneCount(image.format); ++plane) {
    const size_t row_bytes = RowBytes(image, plane);
    image_.plane[plane] = to;
    image_.stride[plane] = static_cast<ptrdiff_t>(row_bytes);
    for (int32_t row = 0; row < PlaneRows(image, plane); ++row, to += row_bytes) {
      std::memcpy(to, image.plane[plane] + row * image.stride[plane], row_bytes);
    }
  }
}

}  // namespace avg
