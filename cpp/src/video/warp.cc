// SPDX-License-Identifier: Apache-2.0
#include "video/warp.h"

#include <algorithm>
#include <cmath>

namespace avg {
namespace {

// Coordinates are 16.16 fixed point, of which 8 fraction bits become bilinear weights.
constexpr int kFixedBits = 16;
constexpr int32_t kFixedOne = 1 << kFixedBits;
constexpr int kWeightBits = 8;
constexpr int32_t kWeightOne = 1 << kWeightBits;
constexpr int kMaxTaps = 4;

// Fixed-point YUV to RGB, 14 fractional bits, so that every platform rounds alike.
struct YuvToRgb {
  int32_t luma_offset, luma_gain, red_v, green_u, green_v, blue_u;
};

YuvToRgb Coefficients(ColorMatrix matrix, bool full_range) {
  double kr = 0.299, kb = 0.114;
  if (matrix == ColorMatrix::kBt709) kr = 0.2126, kb = 0.0722;
  if (matrix == ColorMatrix::kBt2020) kr = 0.2627, kb = 0.0593;
  const double kg = 1.0 - kr - kb;
  const double luma = full_range ? 1.0 : 255.0 / 219.0;
  const double chroma = full_range ? 1.0 : 255.0 / 224.0;
  const auto fixed = [](double value) { return static_cast<int32_t>(std::lround(value * (1 << 14))); };
  return {full_range ? 0 : 16,
          fixed(luma),
          fixed(chroma * 2 * (1 - kr)),
          fixed(-chroma * 2 * (1 - kb) * kb / kg),
          fixed(-chroma * 2 * (1 - kr) * kr / kg),
          fixed(chroma * 2 * (1 - kb))};
}

uint8_t Clamp(int32_t value) { return static_cast<uint8_t>(std::clamp(value, 0, 255)); }

// One component laid out with a pixel step, e.g. the U of NV12.
struct Channel {
  const uint8_t* data;
  ptrdiff_t stride;
  int step;
  int32_t width, height;

  // Bilinear at (x, y) measured from the first pixel's centre; the result has kWeightBits more bits. Edges replicate.
  int32_t At(int32_t x, int32_t y) const {
    const int32_t x0 = x >> kFixedBits, y0 = y >> kFixedBits;
    const ptrdiff_t left = std::clamp(x0, 0, width - 1) * step, right = std::clamp(x0 + 1, 0, width - 1) * step;
    const uint8_t* above = data + std::clamp(y0, 0, height - 1) * stride;
    const uint8_t* below = data + std::clamp(y0 + 1, 0, height - 1) * stride;
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

// The limits keep the sum of a position and a tap's offset within 16.16 bits; NaN becomes 0.
constexpr double kFarthest = kMaxImageSide + 2;
constexpr double kFarthestTap = kMaxImageSide / 2;

int32_t ToFixed(double value, double limit) {
  return std::isnan(value) ? 0 : static_cast<int32_t>(std::lround(std::clamp(value, -limit, limit) * kFixedOne));
}

class Sampler {
 public:
  explicit Sampler(const Image& image) : yuv_(Coefficients(image.matrix, image.full_range)) {
    const int32_t w = image.width, h = image.height, half_w = (w + 1) / 2, half_h = (h + 1) / 2;
    const uint8_t* base = image.plane[0];
    const ptrdiff_t stride = image.stride[0];
    switch (image.format) {
      case PixelFormat::kI420:
        Set({base, stride, 1, w, h}, {image.plane[1], image.stride[1], 1, half_w, half_h},
            {image.plane[2], image.stride[2], 1, half_w, half_h});
        planar_ = true;
        break;
      case PixelFormat::kNv12:
      case PixelFormat::kNv21: {
        const int u = image.format == PixelFormat::kNv12 ? 0 : 1;
        Set({base, stride, 1, w, h}, {image.plane[1] + u, image.stride[1], 2, half_w, half_h},
            {image.plane[1] + 1 - u, image.stride[1], 2, half_w, half_h});
        planar_ = true;
        break;
      }
      case PixelFormat::kRgb24:
        Set({base, stride, 3, w, h}, {base + 1, stride, 3, w, h}, {base + 2, stride, 3, w, h});
        break;
      case PixelFormat::kRgba:
        Set({base, stride, 4, w, h}, {base + 1, stride, 4, w, h}, {base + 2, stride, 4, w, h});
        break;
      case PixelFormat::kBgra:
        Set({base + 2, stride, 4, w, h}, {base + 1, stride, 4, w, h}, {base, stride, 4, w, h});
        break;
      case PixelFormat::kGray8:
        Set({base, stride, 1, w, h}, {base, stride, 1, w, h}, {base, stride, 1, w, h});
        break;
    }
  }

  // RGB at (x, y), measured from the first pixel's centre: the mean over the taps around it. `inside`: so are all
  // neighbours of all taps. The number of taps is a template argument for the divisions by it.
  template <int per_axis, bool inside>
  void Sample(int32_t x, int32_t y, const Taps& taps, uint8_t* rgb) const {
    constexpr int32_t kCount = per_axis * per_axis;
    if (planar_) {
      int32_t luma = 0;
      for (int i = 0; i < kCount; ++i) luma += Take<1, inside>(channel_[0], x + taps.x[i], y + taps.y[i]);
      // Chroma is co-sited with even columns and lies between rows (H.264, HEVC default siting). It is taken once: its
      // own resolution is already half.
      const int32_t chroma_x = x >> 1, chroma_y = (y - kFixedOne / 2) >> 1;
      const int32_t u = Take<0, inside>(channel_[1], chroma_x, chroma_y);
      const int32_t v = Take<0, inside>(channel_[2], chroma_x, chroma_y);
      ToRgb(luma / (kCount * kFinest), u / kFinest, v / kFinest, rgb);
      return;
    }
    constexpr int32_t kUnit = kCount * kWeightOne;
    for (int c = 0; c < 3; ++c) {
      int32_t sum = 0;
      for (int i = 0; i < kCount; ++i) sum += Take<0, inside>(channel_[c], x + taps.x[i], y + taps.y[i]);
      rgb[c] = Clamp((sum + kUnit / 2) / kUnit);
    }
  }

 private:
  // YUV is worked on at 4 extra bits: enough to keep rounding under one level, small enough for 32-bit products.
  static constexpr int32_t kFinest = kWeightOne >> 4;

  template <int known_step, bool inside>
  static int32_t Take(const Channel& channel, int32_t x, int32_t y) {
    return inside ? channel.Inside<known_step>(x, y) : channel.At(x, y);
  }

  void ToRgb(int32_t luma, int32_t u, int32_t v, uint8_t* rgb) const {
    luma -= yuv_.luma_offset << 4;
    u -= 128 << 4;
    v -= 128 << 4;
    const int32_t half = 1 << 17;
    const int32_t y = luma * yuv_.luma_gain + half;
    rgb[0] = Clamp((y + v * yuv_.red_v) >> 18);
    rgb[1] = Clamp((y + u * yuv_.green_u + v * yuv_.green_v) >> 18);
    rgb[2] = Clamp((y + u * yuv_.blue_u) >> 18);
  }

  void Set(Channel first, Channel second, Channel third) {
    channel_[0] = first;
    channel_[1] = second;
    channel_[2] = third;
  }

  YuvToRgb yuv_;
  Channel channel_[3] = {};
  bool planar_ = false;
};

Taps TapsOf(const Affine& map) {
  const double scale = std::sqrt(std::abs(map.a * map.e - map.b * map.d));
  const double steps = std::ceil(scale - 1e-6);
  Taps taps;
  taps.per_axis = steps >= 1 ? static_cast<int>(std::min<double>(steps, kMaxTaps)) : 1;
  int at = 0;
  for (int j = 0; j < taps.per_axis; ++j) {
    for (int i = 0; i < taps.per_axis; ++i, ++at) {
      const double u = (i + 0.5) / taps.per_axis - 0.5, v = (j + 0.5) / taps.per_axis - 0.5;
      taps.x[at] = ToFixed(map.a * u + map.b * v, kFarthestTap);
      taps.y[at] = ToFixed(map.d * u + map.e * v, kFarthestTap);
      taps.reach = std::max({taps.reach, std::abs(taps.x[at]), std::abs(taps.y[at])});
    }
  }
  return taps;
}

template <int per_axis>
void Warp(const Image& image, const Affine& map, const Taps& taps, int32_t out_width, int32_t out_height, Border border,
          uint8_t* rgb) {
  const Sampler sampler(image);
  const double margin = taps.reach / static_cast<double>(kFixedOne) + 2;
  const double right = image.width - margin, bottom = image.height - margin;
  for (int32_t row = 0; row < out_height; ++row) {
    for (int32_t column = 0; column < out_width; ++column, rgb += 3) {
      double x, y;
      map.Apply(column + 0.5, row + 0.5, &x, &y);
      if (x >= margin && y >= margin && x < right && y < bottom) {
        sampler.Sample<per_axis, true>(static_cast<int32_t>((x - 0.5) * kFixedOne),
                                       static_cast<int32_t>((y - 0.5) * kFixedOne), taps, rgb);
        continue;
      }
      const bool outside = !(x >= 0 && y >= 0 && x < image.width && y < image.height);
      if (outside && border == Border::kBlack) {
        rgb[0] = rgb[1] = rgb[2] = 0;
        continue;
      }
      x = std::clamp(x, -1.0, image.width + 1.0);
      y = std::clamp(y, -1.0, image.height + 1.0);
      sampler.Sample<per_axis, false>(ToFixed(x - 0.5, kFarthest), ToFixed(y - 0.5, kFarthest), taps, rgb);
    }
  }
}

}  // namespace

void WarpToRgb(const Image& image, const Affine& to_upright, int32_t out_width, int32_t out_height, Border border,
               uint8_t* rgb) {
  const Affine map = Compose(UprightToStored(image), to_upright);
  const Taps taps = TapsOf(map);
  constexpr decltype(&Warp<1>) kWarps[kMaxTaps] = {Warp<1>, Warp<2>, Warp<3>, Warp<4>};
  kWarps[taps.per_axis - 1](image, map, taps, out_width, out_height, border, rgb);
}

}  // namespace avg
