// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>

#include "status.h"

namespace avg {

// In the order of avg_pixel_format and avg_color_matrix in avguard.h.
enum class PixelFormat : uint8_t { kI420, kNv12, kNv21, kRgb24, kBgra, kRgba, kGray8 };
enum class ColorMatrix : uint8_t { kBt601, kBt709, kBt2020 };

// A borrowed view of one picture as the decoder or camera holds it. Strides in bytes.
struct Image {
  PixelFormat format = PixelFormat::kI420;
  ColorMatrix matrix = ColorMatrix::kBt601;
  bool full_range = false;
  bool mirrored = false;     // stored picture is flipped left-right, before rotation is applied
  int32_t rotation_deg = 0;  // clockwise turn that makes the stored picture upright: 0, 90, 180, 270
  int32_t width = 0;         // stored, in pixels
  int32_t height = 0;
  const uint8_t* plane[3] = {nullptr, nullptr, nullptr};
  ptrdiff_t stride[3] = {0, 0, 0};

  int32_t upright_width() const { return rotation_deg % 180 == 0 ? width : height; }
  int32_t upright_height() const { return rotation_deg % 180 == 0 ? height : width; }
};

inline constexpr int32_t kMaxImageSide = 16384;

// Number of planes the format stores.
int PlaneCount(PixelFormat format);
// Bytes in one row of `plane`, without padding; and rows in it.
size_t RowBytes(const Image& image, int plane);
int32_t PlaneRows(const Image& image, int plane);
// kInvalidArgument for null planes, short strides, sizes outside 1..kMaxImageSide, or an odd rotation.
Status Validate(const Image& image);

// x' = a x + b y + c, y' = d x + e y + f
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;

  void Apply(double x, double y, double* out_x, double* out_y) const {
    *out_x = a * x + b * y + c;
    *out_y = d * x + e * y + f;
  }
};

// outer after inner.
Affine Compose(const Affine& outer, const Affine& inner);
// Inverse of an affine map with non-zero determinant.
Affine Invert(const Affine& map);
// Upright continuous coordinates (pixel centres at .5) to stored ones.
Affine UprightToStored(const Image& image);

}  // namespace avg
