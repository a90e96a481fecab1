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

  // Bilinear at (x, y) measured from the first pixel's centre; the result has kWeightBits more bits. Edges replicate
  // unless the caller knows (`inside`) that all four neighbours exist.
  template <bool inside>
  int32_t At(int32_t x, int32_t y) const {
    const int32_t x0 = x >> kFixedBits, y0 = y >> kFixedBits;
    const int32_t fx = (x >> kWeightBits) & (kWeightOne - 1), fy = (y >> kWeightBits) & (kWeightOne - 1);
    int32_t left = x0, right = x0 + 1, top = y0, bottom = y0 + 1;
    if (!inside) {
      left = std::clamp(left, 0, width - 1);
      right = std::clamp(right, 0, width - 1);
      top = std::clamp(top, 0, height - 1);
      bottom = std::clamp(bottom, 0, height - 1);
    }
    const uint8_t* above = data + top * stride;
    const uint8_t* below = data + bottom * stride;
    const int32_t upper = above[left * step] * (kWeightOne - fx) + above[right * step] * fx;
    const int32_t lower = below[left * step] * (kWeightOne - fx) + below[right * step] * fx;
    return (upper * (kWeightOne - fy) + lower * fy) >> kWeightBits;
  }
};

// Where the sub-samples of an output pixel lie around its centre, in stored coordinates.
struct Taps {
  int count = 0;
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

  // Sums of the three components over the taps around (x, y), all from the first pixel's centre. Of 4:2:0 pictures
  // the chroma is taken once: its own resolution is already half.
  template <bool inside>
  void Sum(int32_t x, int32_t y, const Taps& taps, int32_t sum[3]) const {
    sum[0] = sum[1] = sum[2] = 0;
    for (int i = 0; i < taps.count; ++i) sum[0] += channel_[0].At<inside>(x + taps.x[i], y + taps.y[i]);
    if (planar_) {
      // Chroma is co-sited with even columns and lies between rows (H.264, HEVC default siting).
      const int32_t chroma_x = x >> 1, chroma_y = (y - kFixedOne / 2) >> 1;
      sum[1] = channel_[1].At<inside>(chroma_x, chroma_y) * taps.count;
      sum[2] = channel_[2].At<inside>(chroma_x, chroma_y) * taps.count;
      return;
    }
    for (int i = 0; i < taps.count; ++i) {
      sum[1] += channel_[1].At<inside>(x + taps.x[i], y + taps.y[i]);
      sum[2] += channel_[2].At<inside>(x + taps.x[i], y + taps.y[i]);
    }
  }

  void ToRgb(const int32_t sum[3], int32_t count, uint8_t* rgb) const {
    const int32_t unit = count << kWeightBits;
    if (!planar_) {
      for (int i = 0; i < 3; ++i) rgb[i] = Clamp((sum[i] + unit / 2) / unit);
      return;
    }
    // Work at 4 extra bits: enough to keep rounding under one level, small enough for 32-bit products.
    const int32_t luma = sum[0] / (unit >> 4) - (yuv_.luma_offset << 4);
    const int32_t u = sum[1] / (unit >> 4) - (128 << 4);
    const int32_t v = sum[2] / (unit >> 4) - (128 << 4);
    const int32_t half = 1 << 17;
    const int32_t y = luma * yuv_.luma_gain + half;
    rgb[0] = Clamp((y + v * yuv_.red_v) >> 18);
    rgb[1] = Clamp((y + u * yuv_.green_u + v * yuv_.green_v) >> 18);
    rgb[2] = Clamp((y + u * yuv_.blue_u) >> 18);
  }

 private:
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
  const int per_axis = steps >= 1 ? static_cast<int>(std::min<double>(steps, kMaxTaps)) : 1;
  Taps taps;
  for (int j = 0; j < per_axis; ++j) {
    for (int i = 0; i < per_axis; ++i, ++taps.count) {
      const double u = (i + 0.5) / per_axis - 0.5, v = (j + 0.5) / per_axis - 0.5;
      taps.x[taps.count] = ToFixed(map.a * u + map.b * v, kFarthestTap);
      taps.y[taps.count] = ToFixed(map.d * u + map.e * v, kFarthestTap);
      taps.reach = std::max({taps.reach, std::abs(taps.x[taps.count]), std::abs(taps.y[taps.count])});
    }
  }
  return taps;
}

}  // namespace

void WarpToRgb(const Image& image, const Affine& to_upright, int32_t out_width, int32_t out_height, Border border,
               uint8_t* rgb) {
  const Affine map = Compose(UprightToStored(image), to_upright);
  const Sampler sampler(image);
  const Taps taps = TapsOf(map);
  const double margin = taps.reach / static_cast<double>(kFixedOne) + 2;
  for (int32_t row = 0; row < out_height; ++row) {
    for (int32_t column = 0; column < out_width; ++column, rgb += 3) {
      double x, y;
      map.Apply(column + 0.5, row + 0.5, &x, &y);
      const bool outside = !(x >= 0 && y >= 0 && x < image.width && y < image.height);
      if (outside && border == Border::kBlack) {
        rgb[0] = rgb[1] = rgb[2] = 0;
        continue;
      }
      int32_t sum[3];
      if (x >= margin && y >= margin && x < image.width - margin && y < image.height - margin) {
        sampler.Sum<true>(static_cast<int32_t>((x - 0.5) * kFixedOne), static_cast<int32_t>((y - 0.5) * kFixedOne), taps,
                          sum);
      } else {
        x = std::clamp(x, -1.0, image.width + 1.0);
        y = std::clamp(y, -1.0, image.height + 1.0);
        sampler.Sum<false>(ToFixed(x - 0.5, kFarthest), ToFixed(y - 0.5, kFarthest), taps, sum);
      }
      sampler.ToRgb(sum, taps.count, rgb);
    }
  }
}

}  // namespace avg
