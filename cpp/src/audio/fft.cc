// SPDX-License-Identifier: Apache-2.0
#include "audio/fft.h"

#include "elementary.h"

namespace avg {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kLanes = Fft::kLanes;
constexpr int kComplex = Fft::kSize / 2;

struct Twiddle {
  float re, im;
};

// One decimation-in-frequency radix-4 pass of Stockham's self-sorting transform over `kComplex`
// points, seen as kComplex / (4 * kSpan) groups of kSpan interleaved transforms. kStep is the
// distance, in floats, between successive complex points of the input.
template <int kSpan, int kStep, typename Twiddles>
void Pass(const float* __restrict xr, const float* __restrict xi, float* __restrict yr, float* __restrict yi,
          const Twiddles& twiddle) {
  constexpr int kGroups = kComplex / (4 * kSpan);
  constexpr int kRun = kSpan * kLanes;
  constexpr int kQuarter = kComplex / 4 * kStep;
  for (int p = 0; p < kGroups; ++p) {
    const Twiddle w1 = twiddle(p * kSpan), w2 = twiddle(2 * p * kSpan), w3 = twiddle(3 * p * kSpan);
    const float* ar = xr + p * kSpan * kStep;
    const float* ai = xi + p * kSpan * kStep;
    float* outr = yr + 4 * p * kRun;
    float* outi = yi + 4 * p * kRun;
    for (int q = 0; q < kRun; ++q) {
      const float sum_ac_r = ar[q] + ar[q + 2 * kQuarter];
      const float sum_ac_i = ai[q] + ai[q + 2 * kQuarter];
      const float dif_ac_r = ar[q] - ar[q + 2 * kQuarter];
      const float dif_ac_i = ai[q] - ai[q + 2 * kQuarter];
      const float sum_bd_r = ar[q + kQuarter] + ar[q + 3 * kQuarter];
      const float sum_bd_i = ai[q + kQuarter] + ai[q + 3 * kQuarter];
      const float dif_bd_r = ar[q + kQuarter] - ar[q + 3 * kQuarter];
      const float dif_bd_i = ai[q + kQuarter] - ai[q + 3 * kQuarter];
      const float y1r = dif_ac_r + dif_bd_i, y1i = dif_ac_i - dif_bd_r;
      const float y2r = sum_ac_r - sum_bd_r, y2i = sum_ac_i - sum_bd_i;
      const float y3r = dif_ac_r - dif_bd_i, y3i = dif_ac_i + dif_bd_r;
      outr[q] = sum_ac_r + sum_bd_r;
      outi[q] = sum_ac_i + sum_bd_i;
      outr[q + kRun] = w1.re * y1r - w1.im * y1i;
      outi[q + kRun] = w1.re * y1i + w1.im * y1r;
      outr[q + 2 * kRun] = w2.re * y2r - w2.im * y2i;
      outi[q + 2 * kRun] = w2.re * y2i + w2.im * y2r;
      outr[q + 3 * kRun] = w3.re * y3r - w3.im * y3i;
      outi[q + 3 * kRun] = w3.re * y3i + w3.im * y3r;
    }
  }
}

// Spectrum bin k of the real signal from bins k and 256 - k of the half-length complex one, whose
// real parts were the even samples and imaginary parts the odd ones.
void Split(const float* __restrict zr, const float* __restrict zi, int k, Twiddle w, float* __restrict re,
           float* __restrict im) {
  const float* ar = zr + (k % kComplex) * kLanes;
  const float* ai = zi + (k % kComplex) * kLanes;
  const float* br = zr + ((kComplex - k) % kComplex) * kLanes;
  const float* bi = zi + ((kComplex - k) % kComplex) * kLanes;
  for (int lane = 0; lane < kLanes; ++lane) {
    const float even_r = 0.5f * (ar[lane] + br[lane]), even_i = 0.5f * (ai[lane] - bi[lane]);
    const float odd_r = 0.5f * (ai[lane] + bi[lane]), odd_i = 0.5f * (br[lane] - ar[lane]);
    re[k * kLanes + lane] = even_r + (w.re * odd_r - w.im * odd_i);
    im[k * kLanes + lane] = even_i + (w.re * odd_i + w.im * odd_r);
  }
}

}  // namespace

Fft::Fft() {
  const double step = 2.0 * kPi / kSize;
  for (int k = 0; k < kSize; ++k) {
    cos_[k] = static_cast<float>(Cos(step * k));
    sin_[k] = static_cast<float>(Sin(step * k));
  }
}

void Fft::Forward(const float* in, float* re, float* im) const {
  alignas(64) float ar[kHalf * kLanes], ai[kHalf * kLanes], br[kHalf * kLanes], bi[kHalf * kLanes];
  const auto half = [this](int k) { return Twiddle{cos_[2 * k], -sin_[2 * k]}; };
  Pass<1, 2 * kLanes>(in, in + kLanes, ar, ai, half);
  Pass<4, kLanes>(ar, ai, br, bi, half);
  Pass<16, kLanes>(br, bi, ar, ai, half);
  Pass<64, kLanes>(ar, ai, br, bi, half);
  for (int k = 0; k < kBins; ++k) Split(br, bi, k, {cos_[k], -sin_[k]}, re, im);
}

}  // namespace avg
