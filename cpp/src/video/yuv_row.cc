// SPDX-License-Identifier: Apache-2.0
#include "video/yuv_row.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

// Only these functions are compiled for AVX2: the library itself runs on every x86-64.
#define AVG_AVX2 __attribute__((target("avx2")))

namespace avg {
namespace {

using Lanes = __m256i;  // 32 bits for each of the pixels

AVG_AVX2 inline Lanes All(int32_t value) { return _mm256_set1_epi32(value); }

// Positions split into whole pixels and weights.
struct Position {
  Lanes column, row, across, fy;

  AVG_AVX2 Position(Lanes x, Lanes y)
      : column(_mm256_srai_epi32(x, kFixedBits)), row(_mm256_srai_epi32(y, kFixedBits)) {
    const Lanes mask = All(kWeightOne - 1);
    const Lanes fx = _mm256_and_si256(_mm256_srli_epi32(x, kWeightBits), mask);
    // 16 bits for the left weight below 16 bits for the right one.
    across = _mm256_or_si256(_mm256_slli_epi32(fx, 16), _mm256_sub_epi32(All(kWeightOne), fx));
    fy = _mm256_and_si256(_mm256_srli_epi32(y, kWeightBits), mask);
  }
};

// The least of each half's four lanes, in all four.
AVG_AVX2 inline Lanes Least(Lanes values) {
  const Lanes of_pairs = _mm256_min_epi32(values, _mm256_shuffle_epi32(values, 0xB1));
  return _mm256_min_epi32(of_pairs, _mm256_shuffle_epi32(of_pairs, 0x4E));
}

// Whole pixels, and how they lie around the least column and row of their half.
struct Corner {
  Lanes column, row, left, top, right_of, below;

  AVG_AVX2 Corner(Lanes whole_column, Lanes whole_row)
      : column(whole_column),
        row(whole_row),
        left(Least(column)),
        top(Least(row)),
        right_of(_mm256_sub_epi32(column, left)),
        below(_mm256_sub_epi32(row, top)) {}

  // Whether each half lies in two rows and `columns` more than one column.
  AVG_AVX2 bool IsClose(int32_t columns) const {
    const Lanes apart = _mm256_or_si256(_mm256_cmpgt_epi32(right_of, All(columns)), _mm256_cmpgt_epi32(below, All(1)));
    return _mm256_testz_si256(apart, apart) != 0;
  }
  AVG_AVX2 bool IsLevel() const { return _mm256_testz_si256(below, below) != 0; }
};

// Reads the pixels around positions in one channel.
class Gatherer {
 public:
  AVG_AVX2 explicit Gatherer(const Channel& channel)
      : data_(channel.data),
        stride_(channel.stride),
        last_read_((channel.height - 1) * channel.stride + (channel.width - 1) * channel.step + 1 - kLoad),
        step_(channel.step),
        columns_((kLoad - 4) / channel.step) {
    // Of every 4 bytes, a pixel and its right neighbour become 16 bits each.
    const auto next = static_cast<char>(channel.step);
    const __m128i first =
        _mm_setr_epi8(0, -1, next, -1, 4, -1, 4 + next, -1, 8, -1, 8 + next, -1, 12, -1, 12 + next, -1);
    pick_ = _mm256_broadcastsi128_si256(first);
  }

  // 4 bytes from each pixel on, and the same of the rows below it. Where each half of the pixels lies within a load, as
  // those of pictures that stand nearly upright do, loads take a fraction of a gather's time.
  template <int rows>
  AVG_AVX2 void Read(const Corner& at, Lanes (&read)[rows]) const {
    const ptrdiff_t low = Offset(_mm256_castsi256_si128(at.left), _mm256_castsi256_si128(at.top));
    const ptrdiff_t high = Offset(_mm256_extracti128_si256(at.left, 1), _mm256_extracti128_si256(at.top, 1));
    if (!at.IsClose(columns_) || std::max(low, high) + rows * stride_ > last_read_) {
      for (int k = 0; k < rows; ++k) read[k] = Gather(at, k);
      return;
    }
    const Lanes every_byte =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    const Lanes first = _mm256_shuffle_epi8(step_ == 1 ? at.right_of : _mm256_slli_epi32(at.right_of, 1), every_byte);
    const Lanes bytes = _mm256_add_epi8(first, All(0x03020100));
    for (int k = 0; k < rows; ++k) read[k] = _mm256_shuffle_epi8(Load(low, high, k), bytes);
    if (at.IsLevel()) return;
    const Lanes lower = _mm256_cmpgt_epi32(at.below, All(0));
    for (int k = 0; k < rows; ++k) {
      const Lanes next = k + 1 < rows ? read[k + 1] : _mm256_shuffle_epi8(Load(low, high, rows), bytes);
      read[k] = _mm256_blendv_epi8(read[k], next, lower);
    }
  }

  // The same as Channel::Blend for the first two pixels of what was read in two rows.
  AVG_AVX2 Lanes Blend(Lanes above, Lanes below, const Position& at) const {
    const Lanes upper = _mm256_madd_epi16(_mm256_shuffle_epi8(above, pick_), at.across);
    const Lanes lower = _mm256_madd_epi16(_mm256_shuffle_epi8(below, pick_), at.across);
    const Lanes difference = _mm256_mullo_epi32(_mm256_sub_epi32(lower, upper), at.fy);
    return _mm256_add_epi32(upper, _mm256_srai_epi32(difference, kWeightBits));
  }

  AVG_AVX2 Lanes At(Lanes x, Lanes y) const {
    const Position at(x, y);
    Lanes rows[2];
    Read(Corner(at.column, at.row), rows);
    return Blend(rows[0], rows[1], at);
  }

 private:
  static constexpr int32_t kLoad = 16;

  AVG_AVX2 ptrdiff_t Offset(__m128i column, __m128i row) const {
    return _mm_cvtsi128_si32(row) * stride_ + _mm_cvtsi128_si32(column) * ptrdiff_t{step_};
  }

  AVG_AVX2 Lanes Load(ptrdiff_t low, ptrdiff_t high, int below) const {
    const uint8_t* row = data_ + below * stride_;
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + low))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + high)), 1);
  }

  AVG_AVX2 Lanes Gather(const Corner& at, int below) const {
    const Lanes offset = _mm256_add_epi32(_mm256_mullo_epi32(at.row, All(static_cast<int32_t>(stride_))),
                                          _mm256_mullo_epi32(at.column, All(step_)));
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(data_ + below * stride_), offset, 1);
  }

  const uint8_t* data_;
  ptrdiff_t stride_, last_read_;  // where a load may begin at the latest
  int32_t step_, columns_;        // how far apart pixels of one load may lie
  Lanes pick_;
};

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
    const Lanes sum = close ? SumOverCloseTaps(luma, taps, px, py) : SumOverTaps(luma, taps, px, py);
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
