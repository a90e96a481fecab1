// SPDX-License-Identifier: Apache-2.0
// SampleYuvRow for 64-bit ARM, where every CPU has NEON: there is nothing to choose at run time.
#include "video/yuv_row.h"

#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>

#include <algorithm>
#include <cstring>

namespace avg {
namespace {

// 32 bits for each of the pixels.
struct Lanes {
  int32x4_t low, high;
};

Lanes Load(const int32_t* values) { return {vld1q_s32(values), vld1q_s32(values + 4)}; }

Lanes Plus(Lanes lanes, int32_t value) {
  const int32x4_t all = vdupq_n_s32(value);
  return {vaddq_s32(lanes.low, all), vaddq_s32(lanes.high, all)};
}

template <int bits>
Lanes Down(Lanes lanes) {
  return {vshrq_n_s32(lanes.low, bits), vshrq_n_s32(lanes.high, bits)};
}

// The weight of the second neighbour, 14 bits of the fraction.
uint16x8_t Weight(Lanes position) {
  constexpr int kMore = kFixedBits - kWeightBits;
  const int16x8_t bits = vcombine_s16(vshrn_n_s32(position.low, kMore), vshrn_n_s32(position.high, kMore));
  return vandq_u16(vreinterpretq_u16_s16(bits), vdupq_n_u16(kWeightOne - 1));
}

template <typename T>
T LoadAs(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Pixels and their right neighbours.
struct Pairs {
  uint16x8_t left, right;
};

template <int step>
Pairs Read(const uint8_t* data, const int32_t (&at)[kYuvBlock]) {
  const auto half = vdupq_n_u16(255);
  if constexpr (step == 1) {
    const auto two = [&](int i) { return LoadAs<uint16_t>(data + at[i]); };
    const uint16x8_t both = {two(0), two(1), two(2), two(3), two(4), two(5), two(6), two(7)};
    return {vandq_u16(both, half), vshrq_n_u16(both, 8)};
  } else {
    const auto four = [&](int i) { return LoadAs<uint32_t>(data + at[i]); };
    const uint32x4_t low = {four(0), four(1), four(2), four(3)}, high = {four(4), four(5), four(6), four(7)};
    return {vandq_u16(vcombine_u16(vmovn_u32(low), vmovn_u32(high)), half),
            vandq_u16(vcombine_u16(vshrn_n_u32(low, 16), vshrn_n_u32(high, 16)), half)};
  }
}

// The weighted sum of two neighbours in 32 bits, less its last `bits`.
template <int bits>
uint16x8_t Mix(uint16x8_t first, uint16x8_t second, uint16x8_t first_weight, uint16x8_t second_weight) {
  const uint32x4_t low = vmlal_u16(vmull_u16(vget_low_u16(first), vget_low_u16(first_weight)), vget_low_u16(second),
                                   vget_low_u16(second_weight));
  const uint32x4_t high = vmlal_high_u16(vmull_high_u16(first, first_weight), second, second_weight);
  return vshrn_high_n_u32(vshrn_n_u32(low, bits), high, bits);
}

// As Channel::Inside.
template <int step>
uint16x8_t Sample(const Channel& channel, Lanes x, Lanes y) {
  const Lanes column = Down<kFixedBits>(x), row = Down<kFixedBits>(y);
  const auto stride = static_cast<int32_t>(channel.stride);
  int32_t at[kYuvBlock];
  vst1q_s32(at, vmlaq_n_s32(vmulq_n_s32(column.low, step), row.low, stride));
  vst1q_s32(at + 4, vmlaq_n_s32(vmulq_n_s32(column.high, step), row.high, stride));
  const uint16x8_t one = vdupq_n_u16(kWeightOne);
  const uint16x8_t right = Weight(x), left = vsubq_u16(one, right), below = Weight(y), above = vsubq_u16(one, below);
  const Pairs first = Read<step>(channel.data, at), second = Read<step>(channel.data + channel.stride, at);
  constexpr int kMore = kWeightBits - kLevelBits;
  const uint16x8_t upper = Mix<kMore>(first.left, first.right, left, right);
  const uint16x8_t lower = Mix<kMore>(second.left, second.right, left, right);
  return Mix<kWeightBits>(upper, lower, above, below);
}

// Chroma around its middle.
Lanes SampleChroma(const Channel& channel, Lanes x, Lanes y) {
  const uint16x8_t levels = channel.step == 1 ? Sample<1>(channel, x, y) : Sample<2>(channel, x, y);
  const uint16x8_t middle = vdupq_n_u16(128 * kLevelOne);
  return {vreinterpretq_s32_u32(vsubl_u16(vget_low_u16(levels), vget_low_u16(middle))),
          vreinterpretq_s32_u32(vsubl_high_u16(levels, middle))};
}

// Sums are below 2^24 and far enough from whole quotients for this to round down as an integer division does.
int32x4_t Divided(uint32x4_t sum, float unit) {
  return vcvtq_s32_f32(vdivq_f32(vcvtq_f32_u32(sum), vdupq_n_f32(unit)));
}

uint16x8_t Clamped(Lanes sums) {
  const uint16x8_t levels = vqshrun_high_n_s32(vqshrun_n_s32(sums.low, kYuvBits), sums.high, kYuvBits);
  return vminq_u16(levels, vdupq_n_u16(kMostLevel));
}

// As ToRgb in warp.cc, of chroma around its middle.
void Store(const YuvToRgb& yuv, Lanes luma, Lanes u, Lanes v, Level* out, ptrdiff_t plane) {
  luma = Plus(luma, -yuv.luma_offset * kLevelOne);
  const int32x4_t half = vdupq_n_s32(1 << (kYuvBits - 1));
  const Lanes y = {vmlaq_n_s32(half, luma.low, yuv.luma_gain), vmlaq_n_s32(half, luma.high, yuv.luma_gain)};
  const auto with = [](Lanes sum, Lanes term, int32_t factor) {
    return Lanes{vmlaq_n_s32(sum.low, term.low, factor), vmlaq_n_s32(sum.high, term.high, factor)};
  };
  vst1q_u16(out, Clamped(with(y, v, yuv.red_v)));
  vst1q_u16(out + plane, Clamped(with(with(y, u, yuv.green_u), v, yuv.green_v)));
  vst1q_u16(out + 2 * plane, Clamped(with(y, u, yuv.blue_u)));
}

bool Addressable(const Channel& channel) { return channel.stride <= INT32_MAX / (channel.height + 1); }

}  // namespace

bool CanSampleYuvRow(const Source& source) {
  return source.planar && Addressable(source.channel[0]) && Addressable(source.channel[1]) &&
         Addressable(source.channel[2]);
}

void SampleYuvRow(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count, Level* out,
                  ptrdiff_t plane) {
  const int32_t taps_in_all = taps.per_axis * taps.per_axis;
  const auto unit = static_cast<float>(taps_in_all);
  for (int32_t done = 0; done < count; done += kYuvBlock) {
    const int32_t at = std::min(done, count - kYuvBlock);
    const Lanes px = Load(x + at), py = Load(y + at);
    uint32x4_t low = vdupq_n_u32(0), high = low;
    for (int32_t i = 0; i < taps_in_all; ++i) {
      const uint16x8_t tap = Sample<1>(source.channel[0], Plus(px, taps.x[i]), Plus(py, taps.y[i]));
      low = vaddw_u16(low, vget_low_u16(tap));
      high = vaddw_high_u16(high, tap);
    }
    const Lanes chroma_x = Down<1>(px), chroma_y = Down<1>(Plus(py, -kFixedOne / 2));
    Store(source.yuv, {Divided(low, unit), Divided(high, unit)}, SampleChroma(source.channel[1], chroma_x, chroma_y),
          SampleChroma(source.channel[2], chroma_x, chroma_y), out + at, plane);
  }
}

}  // namespace avg

#endif
