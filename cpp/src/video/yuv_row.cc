// SPDX-License-Identifier: Apache-2.0
#include "video/yuv_row.h"

#if defined(__x86_64__)
#include <algorithm>

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
  int32_t row[kSide] = {}, down[kSide] = {};  // `down`: weights
  bool exist = false;

  LevelTaps(const Taps& taps, const int32_t* y, int32_t count) {
    exist = taps.per_axis == kSide && std::all_of(y, y + count, [&](int32_t each) { return each == y[0]; });
    for (int32_t i = 0; exist && i < kSide * kSide; ++i) {
      exist = taps.x[i] == taps.x[i % kSide] && taps.y[i] == taps.y[i / kSide * kSide];
    }
    for (int32_t j = 0; exist && j < kSide; ++j) {
      const int32_t at = y[0] + taps.y[j * kSide];
      row[j] = at >> kFixedBits;
      down[j] = WeightOf(at) << 16 | (kWeightOne - WeightOf(at));
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
      sum[k] = _mm256_add_epi32(sum[k], luma.BlendRows(low, high, level.row[j], pick, at.across, All(level.down[j])));
    }
  }
  *sums = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
  return true;
}

AVG_AVX2 inline Lanes Factors(int32_t first, int32_t second) {
  return All(static_cast<int32_t>(static_cast<uint32_t>(second) << 16 | static_cast<uint16_t>(first)));
}

// As ToRgb in warp.cc. All three come less kSigned, which for chroma is its middle.
class Colours {
 public:
  AVG_AVX2 explicit Colours(const YuvToRgb& yuv)
      : red_(Factors(yuv.luma_gain, yuv.red_v)),
        green_u_(Factors(yuv.luma_gain, yuv.green_u)),
        green_v_(Factors(0, yuv.green_v)),
        blue_(Factors(yuv.luma_gain, yuv.blue_u)),
        constant_(All((kSigned - yuv.luma_offset * kLevelOne) * yuv.luma_gain + (1 << (kYuvBits - 1)))) {}

  AVG_AVX2 void Store(Lanes luma, Lanes u, Lanes v, Level* out, ptrdiff_t plane) const {
    const Lanes with_u = Pair(luma, u), with_v = Pair(luma, v);
    const Lanes red = Down(_mm256_madd_epi16(with_v, red_)), blue = Down(_mm256_madd_epi16(with_u, blue_));
    const Lanes green =
        Down(_mm256_add_epi32(_mm256_madd_epi16(with_u, green_u_), _mm256_madd_epi16(with_v, green_v_)));
    const Lanes red_green = Clamped(red, green);
    StoreEight(_mm256_castsi256_si128(red_green), out);
    StoreEight(_mm256_extracti128_si256(red_green, 1), out + plane);
    StoreEight(_mm256_castsi256_si128(Clamped(blue, blue)), out + 2 * plane);
  }

 private:
  AVG_AVX2 Lanes Down(Lanes sum) const { return _mm256_srai_epi32(_mm256_add_epi32(sum, constant_), kYuvBits); }
  AVG_AVX2 static Lanes Clamped(Lanes first, Lanes second) {
    const Lanes levels = _mm256_permute4x64_epi64(_mm256_packus_epi32(first, second), 0xD8);
    return _mm256_min_epu16(levels, _mm256_set1_epi16(static_cast<int16_t>(kMostLevel)));
  }
  AVG_AVX2 static void StoreEight(__m128i levels, Level* out) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), levels);
  }

  Lanes red_, green_u_, green_v_, blue_, constant_;
};

AVG_AVX2 void Row(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count, Level* out,
                  ptrdiff_t plane) {
  const Gatherer luma(source.channel[0]), u(source.channel[1]), v(source.channel[2]);
  const int32_t taps_in_all = taps.per_axis * taps.per_axis;
  const Colours colours(source.yuv);
  // Sums are below 2^24 and far enough from whole quotients for this to round down as an integer division does.
  const __m256 unit = _mm256_set1_ps(static_cast<float>(taps_in_all));
  const LevelTaps level(taps, y, count);
  const bool close = taps.per_axis > 1 && taps.reach <= kFixedOne;
  for (int32_t done = 0; done < count; done += kYuvBlock) {
    const int32_t at = std::min(done, count - kYuvBlock);
    const Lanes px = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + at));
    const Lanes py = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(y + at));
    const Lanes chroma_x = _mm256_srai_epi32(px, 1);
    const Lanes chroma_y = _mm256_srai_epi32(_mm256_sub_epi32(py, All(kFixedOne / 2)), 1);
    // First, so that their loads are under way while luma is summed.
    const Lanes blue = u.At(chroma_x, chroma_y), red = v.At(chroma_x, chroma_y);
    Lanes sum;
    if (!level.exist || !SumOverLevelTaps(luma, taps, level, x + at, &sum)) {
      sum = close ? SumOverCloseTaps(luma, taps, px, py) : SumOverTaps(luma, taps, px, py);
    }
    const __m256 whole = _mm256_cvtepi32_ps(_mm256_add_epi32(sum, All(taps_in_all * kSigned)));
    const Lanes mean = _mm256_cvttps_epi32(_mm256_div_ps(whole, unit));
    colours.Store(_mm256_sub_epi32(mean, All(kSigned)), blue, red, out + at, plane);
  }
}

bool Addressable(const Channel& channel) { return channel.stride <= INT32_MAX / (channel.height + 1); }

}  // namespace

bool CanSampleYuvRow(const Source& source) {
  return HasAvx2() && source.planar && Addressable(source.channel[0]) && Addressable(source.channel[1]) &&
         Addressable(source.channel[2]);
}

void SampleYuvRow(const Source& source, const Taps& taps, const int32_t* x, const int32_t* y, int32_t count, Level* out,
                  ptrdiff_t plane) {
  Row(source, taps, x, y, count, out, plane);
}

}  // namespace avg

#elif !defined(__aarch64__) || defined(__ARM_BIG_ENDIAN)

namespace avg {

bool CanSampleYuvRow(const Source&) { return false; }
void SampleYuvRow(const Source&, const Taps&, const int32_t*, const int32_t*, int32_t, Level*, ptrdiff_t) {}

}  // namespace avg

#endif
