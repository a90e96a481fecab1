// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "video/image.h"

namespace avg {

// Coordinates are 16.16 fixed point, of which 8 fraction bits become bilinear weights.
inline constexpr int kFixedBits = 16;
inline constexpr int32_t kFixedOne = 1 << kFixedBits;
inline constexpr int kWeightBits = 8;
inline constexpr int32_t kWeightOne = 1 << kWeightBits;
inline constexpr int kMaxTaps = 4;

// YUV is worked on at 4 extra bits: enough to keep rounding under one level, small enough for 32-bit products.
inline constexpr int32_t kFinest = kWeightOne >> 4;

// Fixed-point YUV to RGB, 14 fractional bits, so that every platform rounds alike.
struct YuvToRgb {
  int32_t luma_offset, luma_gain, red_v, green_u, green_v, blue_u;
};

// One component laid out with a pixel step, e.g. the U of NV12.
struct Channel {
  const uint8_t* data;
  ptrdiff_t stride;
  int step;
  int32_t width, height;

  // Bilinear at (x, y) measured from the first pixel's centre; the result has kWeightBits more bits. Edges replicate.
  int32_t At(int32_t x, int32_t y) const {
    const int32_t x0 = x >> kFixedBits, y0 = y >> kFixedBits;
    const ptrdiff_t left = std::clamp<int32_t>(x0, 0, width - 1) * step,
                    right = std::clamp<int32_t>(x0 + 1, 0, width - 1) * step;
    const uint8_t* above = data + std::clamp<int32_t>(y0, 0, height - 1) * stride;
    const uint8_t* below = data + std::clamp<int32_t>(y0 + 1, 0, height - 1) * stride;
    return Blend(above[left], above[right], below[left], below[right], x, y);
  }

  // The same where all four neighbours exist, of a channel whose pixels are `known_step` apart (0: `step`).
  template <int known_step>
  int32_t Inside(int32_t x, int32_t y) const {
    const ptrdiff_t next = known_step > 0 ? known_step : step;
    const uint8_t* above = data + (y >> kFixedBits) * stride + (x >> kFixedBits) * next;
    const uint8_t* below = above + stride;
    return Blend(above[0], above[next], below[0], below[next], x, y);
  }

  static int32_t Blend(int32_t above, int32_t above_right, int32_t below, int32_t below_right, int32_t x, int32_t y) {
    const int32_t fx = (x >> kWeightBits) & (kWeightOne - 1), fy = (y >> kWeightBits) & (kWeightOne - 1);
    const int32_t upper = above * kWeightOne + (above_right - above) * fx;
    const int32_t lower = below * kWeightOne + (below_right - below) * fx;
    return (upper * kWeightOne + (lower - upper) * fy) >> kWeightBits;
  }
};

// Where the sub-samples of an output pixel lie around its centre, in stored coordinates.
struct Taps {
  int per_axis = 1;
  int32_t x[kMaxTaps * kMaxTaps], y[kMaxTaps * kMaxTaps];
  int32_t reach = 0;  // largest absolute offset
};

// A picture as three channels: YUV when `planar`, else RGB.
struct Source {
  explicit Source(const Image& image);

  Channel channel[3] = {};
  YuvToRgb yuv{};
  bool planar = false;
};

}  // namespace avg
