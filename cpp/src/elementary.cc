// SPDX-License-Identifier: Apache-2.0
#include "elementary.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>

namespace avg {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kLn2 = 0.693147180559945309417;
constexpr double kLn10 = 2.30258509299404568402;
// In parts, to subtract a multiple: all but the last have so few bits that their product with a small whole number is
// exact.
constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kHalfPiHigh = 0x1.921fb54400000p+0, kHalfPiMiddle = 0x1.0b4611a600000p-34,
                 kHalfPiLow = 0x1.3198a2e037073p-69;
constexpr double kWidestAngle = 1e5;

// Coefficients of powers 0, 1, 2 and so on of a series.
using Series = std::array<double, 15>;

constexpr Series InverseFactorials() {
  Series series{};
  double factorial = 1;
  for (size_t i = 0; i < series.size(); ++i) {
    series[i] = 1 / factorial;
    factorial *= static_cast<double>(i + 1);
  }
  return series;
}

constexpr Series Alternating(size_t first) {
  Series series{};
  double factorial = 1;
  for (size_t i = 0, n = 0; i < series.size(); ++i, n += 2) {
    series[i] = (i % 2 == 0 ? 1 : -1) / factorial;
    factorial *= static_cast<double>((n + first + 1) * (n + first + 2));
  }
  return series;
}

constexpr Series InverseOdds(bool alternating) {
  Series series{};
  for (size_t i = 0; i < series.size(); ++i) {
    series[i] = (alternating && i % 2 == 1 ? -1 : 1) / static_cast<double>(2 * i + 1);
  }
  return series;
}

constexpr Series kExp = InverseFactorials(), kCos = Alternating(0), kSin = Alternating(1);
constexpr Series kArtanh = InverseOdds(false), kArctan = InverseOdds(true);

double Sum(const Series& series, double x) {
  double sum = 0;
  for (size_t i = series.size(); i-- > 0;) sum = sum * x + series[i];
  return sum;
}

template <typename To, typename From>
To Bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// 2^exponent, a normal number.
double PowerOfTwo(int64_t exponent) { return Bits<double>((exponent + 1023) << 52); }

double Turned(double x, int64_t quarters) {
  const double turns = std::floor(x * (2 / kPi) + 0.5);
  const double rest = ((x - turns * kHalfPiHigh) - turns * kHalfPiMiddle) - turns * kHalfPiLow;
  quarters += static_cast<int64_t>(turns);
  const double value = (quarters & 1) != 0 ? Sum(kCos, rest * rest) : rest * Sum(kSin, rest * rest);
  return (quarters & 2) != 0 ? -value : value;
}

}  // namespace

double Exp(double x) {
  if (!(x > -708)) return x <= -708 ? 0 : x;
  if (x > 709) return std::numeric_limits<double>::infinity();
  const double times = std::floor(x / kLn2 + 0.5);
  const double rest = (x - times * kLn2High) - times * kLn2Low;
  const auto exponent = static_cast<int64_t>(times);
  // In two steps: 2^1024 is no number.
  return Sum(kExp, rest) * PowerOfTwo(exponent / 2) * PowerOfTwo(exponent - exponent / 2);
}

double Log(double x) {
  // x = 2^exponent m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)).
  const auto bits = Bits<int64_t>(x);
  const int64_t exponent = (bits - Bits<int64_t>(0.70710678118654752440)) >> 52;
  const double m = Bits<double>(bits - exponent * (int64_t{1} << 52));
  const double s = (m - 1) / (m + 1);
  const auto times = static_cast<double>(exponent);
  return times * kLn2High + (times * kLn2Low + 2 * s * Sum(kArtanh, s * s));
}

double Log10(double x) { return Log(x) / kLn10; }

double Sin(double x) { return std::abs(x) <= kWidestAngle ? Turned(x, 0) : std::nan(""); }

double Cos(double x) { return std::abs(x) <= kWidestAngle ? Turned(x, 1) : std::nan(""); }

double Atan2(double y, double x) {
  const double width = std::abs(x), height = std::abs(y);
  const bool steep = height > width;
  const double longer = steep ? height : width;
  double tangent = longer > 0 ? (steep ? width : height) / longer : longer;
  // Of half the angle, twice: the series then ends soon.
  for (int i = 0; i < 2; ++i) tangent = tangent / (1 + std::sqrt(1 + tangent * tangent));
  double angle = 4 * tangent * Sum(kArctan, tangent * tangent);
  if (steep) angle = kPi / 2 - angle;
  if (x < 0) angle = kPi - angle;
  return y < 0 ? -angle : angle;
}

}  // namespace avg
