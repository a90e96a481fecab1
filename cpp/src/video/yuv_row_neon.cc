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

// The weight of the second neighbour, 8 bits of the fraction.
uint16x8_t Weight(Lanes position) {
  const int16x8_t bits = vcombine_s16(vshrn_n_s32(position.low, kWeightBits), vshrn_n_s32(position.high, kWeightBits));
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

uint16x8_t Across(const Pairs& pairs, uint16x8_t left, uint16x8_t right) {
  return vmlaq_u16(vmulq_u16(pairs.left, left), pairs.right, right);
}

// As Channel::Inside: at most 255 * kWeightOne, which 16 bits hold between the rows and 32 bits below them.
template <int step>
Lanes Sample(const Channel& channel, Lanes x, Lanes y) {
  const Lanes column = Down<kFixedBits>(x), row = Down<kFixedBits>(y);
  const auto stride = static_cast<int32_t>(channel.stride);
  int32_t at[kYuvBlock];
  vst1q_s32(at, vmlaq_n_s32(vmulq_n_s32(column.low, step), row.low, stride));
  vst1q_s32(at + 4, vmlaq_n_s32(vmulq_n_s32(column.high, step), row.high, stride));
  const uint16x8_t one = vdupq_n_u16(kWeightOne);
  const uint16x8_t right = Weight(x), left = vsubq_u16(one, right), below = Weight(y), above = vsubq_u16(one, below);
  const uint16x8_t upper = Across(Read<step>(channel.data, at), left, right);
  const uint16x8_t lower = Across(Read<step>(channel.data + channel.stride, at), left, right);
  const auto low =
      vmlal_u16(vmull_u16(vget_low_u16(upper), vget_low_u16(above)), vget_low_u16(lower), vget_low_u16(below));
  const auto high = vmlal_high_u16(vmull_high_u16(upper, above), lower, below);
  return Down<kWeightBits>({vreinterpretq_s32_u32(low), vreinterpretq_s32_u32(high)});
}

Lanes SampleChroma(const Channel& channel, Lanes x, Lanes y) {
  return Down<4>(channel.step == 1 ? Sample<1>(channel, x, y) : Sample<2>(channel, x, y));
}

// Sums are below 2^24 and far enough from whole quotients for this to round down as an integer division does.
int32x4_t Divided(int32x4_t sum, float unit) { return vcvtq_s32_f32(vdivq_f32(vcvtq_f32_s32(sum), vdupq_n_f32(unit))); }

// Levels from 18 fraction bits, clamped.
uint8x8_t Level(int32x4_t low, int32x4_t high) {
  return vqmovn_u16(vcombine_u16(vqmovun_s32(vshrq_n_s32(low, 18)), vqmovun_s32(vshrq_n_s32(high, 18))));
}

void Store(const YuvToRgb& yuv, Lanes luma, Lanes u, Lanes v, uint8_t* rgb) {
  luma = Plus(luma, -(yuv.luma_offset << 4));
  u = Plus(u, -(128 << 4));
  v = Plus(v, -(128 << 4));
  const int32x4_t half = vdupq_n_s32(1 << 17);
  const Lanes y = {vmlaq_n_s32(half, luma.low, yuv.luma_gain), vmlaq_n_s32(half, luma.high, yuv.luma_gain)};
  const auto with = [](Lanes sum, Lanes term, int32_t factor) {
    return Lanes{vmlaq_n_s32(sum.low, term.low, factor), vmlaq_n_s32(sum.high, term.high, factor)};
  };
  const Lanes red = with(y, v, yuv.red_v), blue = with(y, u, yuv.blue_u);
  const Lanes green = with(with(y, u, yuv.green_u), v, yuv.green_v);
  vst3_u8(rgb, {{Level(red.low, red.high), Level(green.low, green.high), Level(blue.low, blue.high)}});
}

bool Addressable(const Channel& channel) { return channel.stride <= INT32_MAX / (channel.height + 1); }

}  // namespace

bool CanSampleYuvRow(const Source& source) {
  return source.planar && Addressable(source.channel[0]) && Addressable(source.channel[1]) &&
         Addressable(source.channel[2]);
}

void SampleYuvRow(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count,
                  uint8_t* rgb) {
  const int32_t taps_in_all = taps.per_axis * taps.per_axis;
  const auto unit = static_cast<float>(taps_in_all * kFinest);
  for (int32_t done = 0; done < count; done += kYuvBlock) {
    const int32_t at = std::min(done, count - kYuvBlock);
    const Lanes px = Load(x + at), py = Load(y + at);
    Lanes sum = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int32_t i = 0; i < taps_in_all; ++i) {
      const Lanes tap = Sample<1>(source.channel[0], Plus(px, taps.x[i]), Plus(py, taps.y[i]));
      sum = {vaddq_s32(sum.low, tap.low), vaddq_s32(sum.high, tap.high)};
    }
    const Lanes chroma_x = Down<1>(px), chroma_y = Down<1>(Plus(py, -kFixedOne / 2));
    Store(source.yuv, {Divided(sum.low, unit), Divided(sum.high, unit)},
          SampleChroma(source.channel[1], chroma_x, chroma_y), SampleChroma(source.channel[2], chroma_x, chroma_y),
          rgb + 3 * at);
  }
}

}  // namespace avg

#endif
