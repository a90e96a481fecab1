// SPDX-License-Identifier: Apache-2.0
#include "video/source.h"

#include <cmath>

namespace avg {
namespace {

YuvToRgb Coefficients(ColorMatrix matrix, bool full_range) {
  double kr = 0.299, kb = 0.114;
  if (matrix == ColorMatrix::kBt709) kr = 0.2126, kb = 0.0722;
  if (matrix == ColorMatrix::kBt2020) kr = 0.2627, kb = 0.0593;
  const double kg = 1.0 - kr - kb;
  const double luma = full_range ? 1.0 : 255.0 / 219.0;
  const double chroma = full_range ? 1.0 : 255.0 / 224.0;
  const auto fixed = [](double value) { return static_cast<int32_t>(std::lround(value * (1 << kYuvBits))); };
  return {full_range ? 0 : 16,
          fixed(luma),
          fixed(chroma * 2 * (1 - kr)),
          fixed(-chroma * 2 * (1 - kb) * kb / kg),
          fixed(-chroma * 2 * (1 - kr) * kr / kg),
          fixed(chroma * 2 * (1 - kb))};
}

}  // namespace

Source::Source(const Image& image) : yuv(Coefficients(image.matrix, image.full_range)) {
  const int32_t w = image.width, h = image.height, half_w = (w + 1) / 2, half_h = (h + 1) / 2;
  const uint8_t* base = image.plane[0];
  const ptrdiff_t stride = image.stride[0];
  const auto set = [&](Channel first, Channel second, Channel third) {
    channel[0] = first, channel[1] = second, channel[2] = third;
  };
  switch (image.format) {
    case PixelFormat::kI420:
      set({base, stride, 1, w, h}, {image.plane[1], image.stride[1], 1, half_w, half_h},
          {image.plane[2], image.stride[2], 1, half_w, half_h});
      planar = true;
      break;
    case PixelFormat::kNv12:
    case PixelFormat::kNv21: {
      const int u = image.format == PixelFormat::kNv12 ? 0 : 1;
      set({base, stride, 1, w, h}, {image.plane[1] + u, image.stride[1], 2, half_w, half_h},
          {image.plane[1] + 1 - u, image.stride[1], 2, half_w, half_h});
      planar = true;
      break;
    }
    case PixelFormat::kRgb24:
      set({base, stride, 3, w, h}, {base + 1, stride, 3, w, h}, {base + 2, stride, 3, w, h});
      break;
    case PixelFormat::kRgba:
      set({base, stride, 4, w, h}, {base + 1, stride, 4, w, h}, {base + 2, stride, 4, w, h});
      break;
    case PixelFormat::kBgra:
      set({base + 2, stride, 4, w, h}, {base + 1, stride, 4, w, h}, {base, stride, 4, w, h});
      break;
    case PixelFormat::kGray8:
      set({base, stride, 1, w, h}, {base, stride, 1, w, h}, {base, stride, 1, w, h});
      break;
  }
}

}  // namespace avg
