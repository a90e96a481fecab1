// SPDX-License-Identifier: Apache-2.0
#include "video/warp.h"

#include <algorithm>
#include <cmath>

#include "avx2.h"
#include "elementary.h"
#include "video/source.h"
#include "video/yuv_row.h"

namespace avg {
namespace {

// The limits keep the sum of a position and a tap's offset within 16.16 bits; NaN becomes 0.
constexpr double kFarthest = kMaxImageSide + 2;
constexpr double kFarthestTap = kMaxImageSide / 2;

Level Clamp(int32_t value) { return static_cast<Level>(std::clamp<int32_t>(value, 0, kMostLevel)); }

int32_t ToFixed(double value, double limit) {
  return std::isnan(value) ? 0 : static_cast<int32_t>(std::lround(std::clamp(value, -limit, limit) * kFixedOne));
}

// NaN becomes `low`.
int32_t Within(double value, double low, double high) {
  return static_cast<int32_t>(value > low ? std::min(value, high) : low);
}

template <int known_step, bool inside>
int32_t Take(const Channel& channel, int32_t x, int32_t y) {
  return inside ? channel.Inside<known_step>(x, y) : channel.At(x, y);
}

// Where the red, green and blue of one output pixel go.
struct Pixel {
  Level* red;
  ptrdiff_t plane;

  Level& operator[](int channel) const { return red[channel * plane]; }
};

void ToRgb(const YuvToRgb& yuv, int32_t luma, int32_t u, int32_t v, Pixel rgb) {
  luma -= yuv.luma_offset * kLevelOne;
  u -= 128 * kLevelOne;
  v -= 128 * kLevelOne;
  const int32_t half = 1 << (kYuvBits - 1);
  const int32_t y = luma * yuv.luma_gain + half;
  rgb[0] = Clamp((y + v * yuv.red_v) >> kYuvBits);
  rgb[1] = Clamp((y + u * yuv.green_u + v * yuv.green_v) >> kYuvBits);
  rgb[2] = Clamp((y + u * yuv.blue_u) >> kYuvBits);
}

// RGB at (x, y), measured from the first pixel's centre: the mean over the taps around it. `inside`: so are all
// neighbours of all taps. The number of taps is a template argument for the divisions by it.
template <int per_axis, bool inside>
void Sample(const Source& source, int32_t x, int32_t y, const Taps& taps, Pixel rgb) {
  constexpr int32_t kCount = per_axis * per_axis;
  const Channel* channel = source.channel;
  if (source.planar) {
    int32_t luma = 0;
    for (int i = 0; i < kCount; ++i) luma += Take<1, inside>(channel[0], x + taps.x[i], y + taps.y[i]);
    // Chroma is co-sited with even columns and lies between rows (H.264, HEVC default siting). It is taken once: its
    // own resolution is already half.
    const int32_t chroma_x = x >> 1, chroma_y = (y - kFixedOne / 2) >> 1;
    const int32_t u = Take<0, inside>(channel[1], chroma_x, chroma_y);
    const int32_t v = Take<0, inside>(channel[2], chroma_x, chroma_y);
    ToRgb(source.yuv, luma / kCount, u, v, rgb);
    return;
  }
  for (int c = 0; c < 3; ++c) {
    int32_t sum = 0;
    for (int i = 0; i < kCount; ++i) sum += Take<0, inside>(channel[c], x + taps.x[i], y + taps.y[i]);
    rgb[c] = static_cast<Level>((sum + kCount / 2) / kCount);
  }
}

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

// Rows of a picture lie further apart than the hardware looks ahead, so it is told which come soon.
constexpr int32_t kRowsAhead = 3;
constexpr double kLineBytes = 64;

// Columns that are worked on at a time.
constexpr int32_t kWidest = 256;

// Output columns [begin, end).
struct Span {
  int32_t begin = 0, end = 0;
};

// The columns of `span` for which `holds` does, given that they are adjacent.
template <typename Predicate>
Span Narrow(Span span, Predicate holds) {
  while (span.begin < span.end && !holds(span.begin)) ++span.begin;
  while (span.begin < span.end && !holds(span.end - 1)) --span.end;
  return span;
}

// Where the pixels of `span` lie in the source, from the first pixel's centre.
AVG_INLINE void PlaceEach(const Affine& map, int32_t row, Span span, int32_t* __restrict x, int32_t* __restrict y) {
  for (int32_t i = 0; i < span.end - span.begin; ++i) {
    double at_x, at_y;
    map.Apply(span.begin + i + 0.5, row + 0.5, &at_x, &at_y);
    x[i] = static_cast<int32_t>((at_x - 0.5) * kFixedOne);
    y[i] = static_cast<int32_t>((at_y - 0.5) * kFixedOne);
  }
}

#ifdef AVG_AVX2
AVG_AVX2 void PlaceWide(const Affine& map, int32_t row, Span span, int32_t* x, int32_t* y) {
  PlaceEach(map, row, span, x, y);
}
#endif

void Place(const Affine& map, int32_t row, Span span, int32_t* x, int32_t* y) {
#ifdef AVG_AVX2
  if (HasAvx2()) return PlaceWide(map, row, span, x, y);
#endif
  PlaceEach(map, row, span, x, y);
}

class Warper {
 public:
  // Of the output columns [begin, end), at most kWidest, into planes `plane` apart.
  Warper(const Image& image, const Affine& map, Span columns, Border border, ptrdiff_t plane)
      : source_(image),
        taps_(TapsOf(map)),
        map_(map),
        border_(border),
        plane_(plane),
        width_(image.width),
        height_(image.height),
        margin_(taps_.reach / static_cast<double>(kFixedOne) + 2),
        by_rows_(CanSampleYuvRow(source_)),
        whole_(columns),
        down_(Within(Length(map.b, map.e), 1, 16)),
        line_(Within(kLineBytes / (source_.channel[0].step * Length(map.a, map.d)), 1, kWidest)) {}

  int taps_per_axis() const { return taps_.per_axis; }

  template <int per_axis>
  void Row(int32_t row, Level* out) {
    Foresee(row + kRowsAhead);
    const Span inside = Narrow(whole_, [&](int32_t column) { return Inside(column, row, 0); });
    for (int32_t column = whole_.begin; column < inside.begin; ++column)
      Edge<per_axis>(column, row, {out + column, plane_});
    for (int32_t column = inside.end; column < whole_.end; ++column)
      Edge<per_axis>(column, row, {out + column, plane_});
    Place(map_, row, inside, x_ + inside.begin - whole_.begin, y_ + inside.begin - whole_.begin);
    Span block = Narrow(inside, [&](int32_t column) { return Inside(column, row, kYuvOverreach); });
    if (!by_rows_ || block.end - block.begin < kYuvBlock) block.end = block.begin;
    const auto x = [&](int32_t column) { return x_[column - whole_.begin]; };
    const auto y = [&](int32_t column) { return y_[column - whole_.begin]; };
    const auto sample = [&](int32_t column) {
      Sample<per_axis, true>(source_, x(column), y(column), taps_, {out + column, plane_});
    };
    for (int32_t column = inside.begin; column < block.begin; ++column) sample(column);
    for (int32_t column = block.end; column < inside.end; ++column) sample(column);
    if (block.begin == block.end) return;
    const int32_t at = block.begin - whole_.begin;
    SampleYuvRow(source_, taps_, x_ + at, y_ + at, block.end - block.begin, out + block.begin, plane_);
  }

 private:
  void Foresee(int32_t row) const {
    for (int32_t column = whole_.begin; column < whole_.end; column += line_) {
      double x, y;
      map_.Apply(column + 0.5, row + 0.5, &x, &y);
      if (!(x >= 0 && y >= 0 && x < width_ && y < height_ - down_)) continue;
      for (int c = 0; c < (source_.planar ? 3 : 1); ++c) {
        const Channel& channel = source_.channel[c];
        const int half = c > 0 ? 1 : 0;
        const uint8_t* at = channel.data + (static_cast<int32_t>(y) >> half) * channel.stride +
                            (static_cast<int32_t>(x) >> half) * channel.step;
        for (int32_t i = 0; i <= down_ >> half; ++i) __builtin_prefetch(at + i * channel.stride);
      }
    }
  }

  // Whether all neighbours of all taps exist, and `more` pixels beyond them to the right and below.
  bool Inside(int32_t column, int32_t row, int32_t more) const {
    double x, y;
    map_.Apply(column + 0.5, row + 0.5, &x, &y);
    return x >= margin_ && y >= margin_ && x < width_ - margin_ - more && y < height_ - margin_ - more;
  }

  template <int per_axis>
  void Edge(int32_t column, int32_t row, Pixel rgb) const {
    double x, y;
    map_.Apply(column + 0.5, row + 0.5, &x, &y);
    const bool outside = !(x >= 0 && y >= 0 && x < width_ && y < height_);
    if (outside && border_ == Border::kBlack) {
      rgb[0] = rgb[1] = rgb[2] = 0;
      return;
    }
    x = std::clamp(x, -1.0, width_ + 1.0);
    y = std::clamp(y, -1.0, height_ + 1.0);
    Sample<per_axis, false>(source_, ToFixed(x - 0.5, kFarthest), ToFixed(y - 0.5, kFarthest), taps_, rgb);
  }

  const Source source_;
  const Taps taps_;
  const Affine map_;
  const Border border_;
  const ptrdiff_t plane_;
  const int32_t width_, height_;
  const double margin_;
  const bool by_rows_;
  const Span whole_;
  const int32_t down_, line_;  // source rows to the next output row; output columns of a cache line
  int32_t x_[kWidest], y_[kWidest];
};

}  // namespace

void WarpToRgb(const Image& image, const Affine& to_upright, int32_t out_width, int32_t out_height, Border border,
               Level* planes) {
  const Affine map = Compose(UprightToStored(image), to_upright);
  constexpr decltype(&Warper::Row<1>) kRows[kMaxTaps] = {&Warper::Row<1>, &Warper::Row<2>, &Warper::Row<3>,
                                                         &Warper::Row<4>};
  const auto plane = static_cast<ptrdiff_t>(out_width) * out_height;
  for (int32_t begin = 0; begin < out_width; begin += kWidest) {
    Warper warper(image, map, {begin, std::min(begin + kWidest, out_width)}, border, plane);
    const auto row_of = kRows[warper.taps_per_axis() - 1];
    for (int32_t row = 0; row < out_height; ++row)
      (warper.*row_of)(row, planes + static_cast<ptrdiff_t>(row) * out_width);
  }
}

}  // namespace avg
