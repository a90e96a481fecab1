// SPDX-License-Identifier: Apache-2.0
// Reading a channel at 8 positions with AVX2, for yuv_row.cc.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "avx2.h"
#include "video/source.h"

namespace avg {

using Lanes = __m256i;  // 32 bits for each of the pixels

AVG_AVX2 inline Lanes All(int32_t value) { return _mm256_set1_epi32(value); }

// 16 bits of `first` below 16 bits of `second`, as _mm256_madd_epi16 multiplies them.
AVG_AVX2 inline Lanes Pair(Lanes first, Lanes second) {
  return _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xAA);
}

// The weights of two neighbours.
AVG_AVX2 inline Lanes Weights(Lanes position) {
  const Lanes second = _mm256_and_si256(_mm256_srli_epi32(position, kFixedBits - kWeightBits), All(kWeightOne - 1));
  return _mm256_or_si256(_mm256_slli_epi32(second, 16), _mm256_sub_epi32(All(kWeightOne), second));
}

// Positions split into whole pixels and weights.
struct Position {
  Lanes column, row, across, down;

  AVG_AVX2 Position(Lanes x, Lanes y)
      : column(_mm256_srai_epi32(x, kFixedBits)),
        row(_mm256_srai_epi32(y, kFixedBits)),
        across(Weights(x)),
        down(Weights(y)) {}
};

// Levels are multiplied as signed 16 bits: less kSigned. Weights add up to kWeightOne, so that it stays.
inline constexpr int32_t kSigned = 1 << 15;

// As Channel::Blend between the rows, less kSigned.
AVG_AVX2 inline Lanes Between(Lanes upper, Lanes lower, Lanes down) {
  constexpr int kMore = kWeightBits - kLevelBits;
  const Lanes levels = _mm256_blend_epi16(_mm256_srli_epi32(upper, kMore), _mm256_slli_epi32(lower, 16 - kMore), 0xAA);
  const Lanes both = _mm256_xor_si256(levels, All(static_cast<int32_t>(0x80008000u)));
  return _mm256_srai_epi32(_mm256_madd_epi16(both, down), kWeightBits);
}

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
    const Lanes lower = _mm256_cmpgt_epi32(at.below, All(0));
    for (int k = 0; k < rows; ++k) {
      const Lanes next = k + 1 < rows ? read[k + 1] : _mm256_shuffle_epi8(Load(low, high, rows), bytes);
      read[k] = _mm256_blendv_epi8(read[k], next, lower);
    }
  }

  // Channel::Blend less kSigned, for the first two pixels of what was read in two rows.
  AVG_AVX2 Lanes Blend(Lanes above, Lanes below, const Position& at) const {
    const Lanes upper = _mm256_madd_epi16(_mm256_shuffle_epi8(above, pick_), at.across);
    const Lanes lower = _mm256_madd_epi16(_mm256_shuffle_epi8(below, pick_), at.across);
    return Between(upper, lower, at.down);
  }

  // The same for taps in rows `row` and the one below: at.left and at.across say where in each half, `pick` as pick_.
  AVG_AVX2 Lanes BlendRows(ptrdiff_t low, ptrdiff_t high, int32_t row, Lanes pick, Lanes across, Lanes down) const {
    const Lanes upper = _mm256_madd_epi16(_mm256_shuffle_epi8(Load(low, high, row), pick), across);
    return Between(upper, _mm256_madd_epi16(_mm256_shuffle_epi8(Load(low, high, row + 1), pick), across), down);
  }
  // Whether BlendRows may read at columns `low` and `high`.
  bool MayRead(ptrdiff_t low, ptrdiff_t high, int32_t row) const {
    return std::max(low, high) + (row + 1) * stride_ <= last_read_;
  }

  AVG_AVX2 Lanes At(Lanes x, Lanes y) const {
    const Position at(x, y);
    Lanes rows[2];
    Read(Corner(at.column, at.row), rows);
    return Blend(rows[0], rows[1], at);
  }

  static constexpr int32_t kLoad = 16;

 private:
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

}  // namespace avg
