// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "levels.h"
#include "video/image.h"

namespace avg {

// Coordinates are 16.16 fixed point, of which 14 fraction bits become bilinear weights: between pixels a level at 8
// more bits still fits into 32 bits with them.
inline constexpr int kFixedBits = 16;
inline constexpr int32_t kFixedOne = 1 << kFixedBits;
inline constexpr int kWeightBits = 14;
inline constexpr int32_t kWeightOne = 1 << kWeightBits;
inline constexpr int kMaxTaps = 4;

// YUV to RGB of levels in fixed point, so that every platform rounds alike. 13 fraction bits: the largest sum, bright
// blue by BT.2020 in limited range, is (239 * 1.165 + 127 * 2.142) * 2^(8 + 13) = 1.2e9, and 14 would not fit.
inline constexpr int kYuvBits = 13;
struct YuvToRgb {
  int32_t luma_offset, luma_gain, red_v, green_u, green_v, blue_u;
};

// Of the second of two neighbours.
inline int32_t WeightOf(int32_t position) { return (position >> (kFixedBits - kWeightBits)) & (kWeightOne - 1); }

// One component laid out with a pixel step, e.g. the U of NV12.
struct Channel {
  const uint8_t* data;
  ptrdiff_t stride;
  int step;
  int32_t width, height;

  // Bilinear at (x, y) measured from the first pixel's centre; a Level, rounded down. Edges replicate.
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
    const int32_t fx = WeightOf(x), fy = WeightOf(y);
    const int32_t upper = (above * kWeightOne + (above_right - above) * fx) >> (kWeightBits - kLevelBits);
    const int32_t lower = (below * kWeightOne + (below_right - below) * fx) >> (kWeightBits - kLevelBits);
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
