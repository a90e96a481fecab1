// SPDX-License-Identifier: Apache-2.0
#include "video/yuv_row.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "video/yuv_avx2.h"

namespace avg {
namespace {

AVG_AVX2 inline Lanes SumOverTaps(const Gatherer& luma, const Taps& taps, Lanes x, Lanes y) {
  Lanes sum = All(0);
  for (int32_t i = 0; i < taps.per_axis * taps.per_axis; ++i) {
    sum = _mm256_add_epi32(sum, luma.At(_mm256_add_epi32(x, All(taps.x[i])), _mm256_add_epi32(y, All(taps.y[i]))));
  }
  return sum;
}

// The same for taps so close together that 4 rows of 4 pixels hold them all: gathering is what takes the time.
AVG_AVX2 inline Lanes SumOverCloseTaps(const Gatherer& luma, const Taps& taps, Lanes x, Lanes y) {
  const Lanes reach = All(taps.reach);
  const Position first(_mm256_sub_epi32(x, reach), _mm256_sub_epi32(y, reach));
  Lanes rows[4];
  luma.Read(Corner(first.column, first.row), rows);
  Lanes sum = All(0);
  for (int32_t i = 0; i < taps.per_axis * taps.per_axis; ++i) {
    const Position at(_mm256_add_epi32(x, All(taps.x[i])), _mm256_add_epi32(y, All(taps.y[i])));
    const Lanes bits = _mm256_slli_epi32(_mm256_sub_epi32(at.column, first.column), 3);
    const Lanes down = _mm256_sub_epi32(at.row, first.row);
    const Lanes second = _mm256_cmpgt_epi32(down, All(0)), third = _mm256_cmpgt_epi32(down, All(1));
    const Lanes above = _mm256_blendv_epi8(_mm256_blendv_epi8(rows[0], rows[1], second), rows[2], third);
    const Lanes below = _mm256_blendv_epi8(_mm256_blendv_epi8(rows[1], rows[2], second), rows[3], third);
    sum = _mm256_add_epi32(sum, luma.Blend(_mm256_srlv_epi32(above, bits), _mm256_srlv_epi32(below, bits), at));
  }
  return sum;
}

// Four rows of four taps, each row level and like the others, as for a picture that stands upright.
struct LevelTaps {
  static constexpr int32_t kSide = 4;
  int32_t row[kSide] = {}, fy[kSide] = {};
  bool exist = false;

  LevelTaps(const Taps& taps, const int32_t* y, int32_t count) {
    exist = taps.per_axis == kSide && std::all_of(y, y + count, [&](int32_t each) { return each == y[0]; });
    for (int32_t i = 0; exist && i < kSide * kSide; ++i) {
      exist = taps.x[i] == taps.x[i % kSide] && taps.y[i] == taps.y[i / kSide * kSide];
    }
    for (int32_t j = 0; exist && j < kSide; ++j) {
      const int32_t at = y[0] + taps.y[j * kSide];
      row[j] = at >> kFixedBits;
      fy[j] = (at >> kWeightBits) & (kWeightOne - 1);
    }
  }
};

// Sums over level taps, a row of a pixel's taps in one load. False where they are too far apart for that, or too close
// to the end of the picture.
AVG_AVX2 inline bool SumOverLevelTaps(const Gatherer& luma, const Taps& taps, const LevelTaps& level, const int32_t* x,
                                      Lanes* sums) {
  const Lanes columns = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(taps.x)));
  const int32_t lowest = *std::max_element(level.row, level.row + LevelTaps::kSide);
  Lanes sum[kYuvBlock / 2];
  for (int k = 0; k < kYuvBlock / 2; ++k) {
    const Lanes pair = _mm256_inserti128_si256(All(x[k]), _mm_set1_epi32(x[k + kYuvBlock / 2]), 1);
    const Position at(_mm256_add_epi32(pair, columns), All(0));
    const Corner corner(at.column, at.row);
    const ptrdiff_t low = _mm256_extract_epi32(corner.left, 0), high = _mm256_extract_epi32(corner.left, 4);
    if (!corner.IsClose(Gatherer::kLoad - 2) || !luma.MayRead(low, high, lowest)) return false;
    const Lanes pick =
        _mm256_add_epi32(_mm256_mullo_epi32(corner.right_of, All(0x00010001)), All(static_cast<int32_t>(0x80018000u)));
    sum[k] = All(0);
    for (int j = 0; j < LevelTaps::kSide; ++j) {
      sum[k] = _mm256_add_epi32(sum[k], luma.BlendRows(low, high, level.row[j], pick, at.across, All(level.fy[j])));
    }
  }
  *sums = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
  return true;
}

AVG_AVX2 inline Lanes Times(Lanes value, int32_t factor) { return _mm256_mullo_epi32(value, All(factor)); }

// A level from 18 fraction bits.
AVG_AVX2 inline Lanes Level(Lanes value) {
  return _mm256_min_epi32(_mm256_max_epi32(_mm256_srai_epi32(value, 18), All(0)), All(255));
}

// 24 bytes of RGB.
AVG_AVX2 inline void Store(const YuvToRgb& yuv, Lanes luma, Lanes u, Lanes v, uint8_t* rgb) {
  luma = _mm256_sub_epi32(luma, All(yuv.luma_offset << 4));
  u = _mm256_sub_epi32(u, All(128 << 4));
  v = _mm256_sub_epi32(v, All(128 << 4));
  const Lanes y = _mm256_add_epi32(Times(luma, yuv.luma_gain), All(1 << 17));
  const Lanes red = Level(_mm256_add_epi32(y, Times(v, yuv.red_v)));
  const Lanes green = Level(_mm256_add_epi32(y, _mm256_add_epi32(Times(u, yuv.green_u), Times(v, yuv.green_v))));
  const Lanes blue = Level(_mm256_add_epi32(y, Times(u, yuv.blue_u)));
  const Lanes pixels = _mm256_or_si256(red, _mm256_or_si256(_mm256_slli_epi32(green, 8), _mm256_slli_epi32(blue, 16)));
  const __m128i three_of_four = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  uint8_t bytes[32];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes),
                      _mm256_shuffle_epi8(pixels, _mm256_broadcastsi128_si256(three_of_four)));
  std::memcpy(rgb, bytes, 12);
  std::memcpy(rgb + 12, bytes + 16, 12);
}

AVG_AVX2 void Row(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count,
                  uint8_t* rgb) {
  const Gatherer luma(source.channel[0]), u(source.channel[1]), v(source.channel[2]);
  const int32_t taps_in_all = taps.per_axis * taps.per_axis;
  // Sums are below 2^24 and far enough from whole quotients for this to round down as an integer division does.
  const __m256 unit = _mm256_set1_ps(static_cast<float>(taps_in_all * kFinest));
  const LevelTaps level(taps, y, count);
  const bool close = taps.per_axis > 1 && taps.reach <= kFixedOne;
  for (int32_t done = 0; done < count; done += kYuvBlock) {
    const int32_t at = std::min(done, count - kYuvBlock);
    const Lanes px = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + at));
    const Lanes py = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + at));
    const Lanes chroma_x = _mm256_srai_epi32(px, 1);
    const Lanes chroma_y = _mm256_srai_epi32(_mm256_sub_epi32(py, All(kFixedOne / 2)), 1);
    // First, so that their loads are under way while luma is summed.
    const Lanes blue = _mm256_srai_epi32(u.At(chroma_x, chroma_y), 4);
    const Lanes red = _mm256_srai_epi32(v.At(chroma_x, chroma_y), 4);
    Lanes sum;
    if (!level.exist || !SumOverLevelTaps(luma, taps, level, x + at, &sum)) {
      sum = close ? SumOverCloseTaps(luma, taps, px, py) : SumOverTaps(luma, taps, px, py);
    }
    const Lanes mean = _mm256_cvttps_epi32(_mm256_div_ps(_mm256_cvtepi32_ps(sum), unit));
    Store(source.yuv, mean, blue, red, rgb + 3 * at);
  }
}

bool Addressable(const Channel& channel) { return channel.stride <= INT32_MAX / (channel.height + 1); }

}  // namespace

bool CanSampleYuvRow(const Source& source) {
  static const bool supported = __builtin_cpu_supports("avx2") != 0;
  return supported && source.planar && Addressable(source.channel[0]) && Addressable(source.channel[1]) &&
         Addressable(source.channel[2]);
}

void SampleYuvRow(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count,
                  uint8_t* rgb) {
  Row(source, taps, x, y, count, rgb);
}

}  // namespace avg

#elif !defined(__aarch64__) || defined(__ARM_BIG_ENDIAN)

namespace avg {

bool CanSampleYuvRow(const Source&) { return false; }
void SampleYuvRow(const Source&, const Taps&, const int32_t*, const int32_t*, int32_t, uint8_t*) {}

}  // namespace avg

#endif
