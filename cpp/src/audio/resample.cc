// SPDX-License-Identifier: Apache-2.0
#include "audio/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audio/samples.h"
#include "avg_spec.h"
#include "avx2.h"
#include "elementary.h"

namespace avg {
namespace {

constexpr int32_t kOutHz = spec::audio::sample_rate_hz;
constexpr double kPi = 3.14159265358979323846;
constexpr double kPassEdge = 0.9;        // of the lower Nyquist frequency
constexpr double kAttenuationDb = 92.0;  // designed for; leaves room for float32 taps
constexpr int64_t kMaxPhases = 1024;
constexpr int64_t kMaxTable = int64_t{1} << 18;  // floats
constexpr int kBlendPhases = 512;                // linear blend errs by (pi / 512)^2 / 8: 106 dB down
constexpr size_t kBlock = 8192;
constexpr int kAccumulators = 8;

// Modified Bessel function of the first kind, order zero, by its power series.
double BesselI0(double x) {
  double sum = 1.0, term = 1.0;
  for (int k = 1; term > 1e-17 * sum; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

double KaiserBeta() { return 0.1102 * (kAttenuationDb - 8.7); }

double Sinc(double x) { return std::abs(x) < 1e-9 ? 1.0 : Sin(kPi * x) / (kPi * x); }

// Fixed partial sums: the order of additions never depends on where the data lies.
AVG_INLINE float SumOfProducts(const float* __restrict a, const float* __restrict b, int count) {
  float sum[kAccumulators] = {};
  for (int i = 0; i < count; i += kAccumulators) {
    for (int k = 0; k < kAccumulators; ++k) sum[k] += a[i + k] * b[i + k];
  }
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

#ifdef AVG_AVX2
AVG_AVX2 float WideDot(const float* a, const float* b, int count) { return SumOfProducts(a, b, count); }
#endif

float Dot(const float* a, const float* b, int count) {
#ifdef AVG_AVX2
  if (HasAvx2()) return WideDot(a, b, count);
#endif
  return SumOfProducts(a, b, count);
}

}  // namespace

Resampler::Resampler(int32_t rate_hz, Arena* arena) : table_(arena), buffer_(arena) {
  if (rate_hz < kMinRateHz || rate_hz > kMaxRateHz) {
    status_ = Status::kInvalidArgument;
    return;
  }
  const int32_t common = std::gcd(rate_hz, kOutHz);
  up_ = kOutHz / common;
  down_ = rate_hz / common;
  if (rate_hz != kOutHz) Design(rate_hz);
}

void Resampler::Design(int32_t rate_hz) {
  // Frequencies in cycles per input sample.
  const double nyquist = 0.5 * std::min(1.0, static_cast<double>(kOutHz) / rate_hz);
  const double transition = (1.0 - kPassEdge) * nyquist;
  const double length = (kAttenuationDb - 7.95) / (2.285 * 2.0 * kPi * transition);
  const double half_width = 0.5 * length;
  const int reach = static_cast<int>(std::ceil(half_width));
  taps_ = (2 * reach + kAccumulators - 1) / kAccumulators * kAccumulators;
  blend_ = up_ > kMaxPhases || up_ * taps_ > kMaxTable;
  const double coarse = kBlendPhases * 2.0 * nyquist;
  phases_ = blend_ ? static_cast<int>(std::ceil(coarse)) : static_cast<int>(up_);
  table_.assign(static_cast<size_t>(phases_ + 1) * taps_, 0.0f);
  for (int row = 0; row <= phases_; ++row) FillRow(row, nyquist - 0.5 * transition, half_width);
  buffer_first_ = 1 - taps_ / 2;
  // What is left of earlier blocks is less than two windows, and Finish adds one.
  buffer_.reserve(kBlock + 3 * static_cast<size_t>(taps_));
  buffer_.assign(taps_ / 2 - 1, 0.0f);
}

void Resampler::FillRow(int row, double cutoff, double half_width) {
  const double fraction = static_cast<double>(row) / phases_;
  const double beta = KaiserBeta();
  const auto tap = [&](int i) {
    const double t = i - (taps_ / 2 - 1) - fraction;
    const double u = t / half_width;
    const double window = u * u < 1.0 ? BesselI0(beta * std::sqrt(1.0 - u * u)) : 0.0;
    return window * Sinc(2.0 * cutoff * t);
  };
  // Unit gain at 0 Hz in every phase, or a constant input would come out with a faint tone.
  double sum = 0.0;
  for (int i = 0; i < taps_; ++i) sum += tap(i);
  const double gain = 1.0 / sum;
  float* to = table_.data() + static_cast<size_t>(row) * taps_;
  for (int i = 0; i < taps_; ++i) to[i] = static_cast<float>(gain * tap(i));
}

float Resampler::At(int64_t centre, int64_t remainder) const {
  const float* x = buffer_.data() + (centre - (taps_ / 2 - 1) - buffer_first_);
  if (!blend_) return Dot(x, table_.data() + remainder * taps_, taps_);
  const int64_t position = remainder * phases_;
  const float* row = table_.data() + position / up_ * taps_;
  const float fraction = static_cast<float>(position % up_) / static_cast<float>(up_);
  const float low = Dot(x, row, taps_);
  return low + fraction * (Dot(x, row + taps_, taps_) - low);
}

// Computes outputs below `limit` whose taps all lie in the buffer, then drops what is used up.
void Resampler::Produce(int64_t limit, Vector<float>* out) {
  const int64_t end = buffer_first_ + static_cast<int64_t>(buffer_.size());
  for (; produced_ < limit; ++produced_) {
    const int64_t centre = produced_ * down_ / up_;
    if (centre + taps_ / 2 >= end) break;
    out->push_back(At(centre, produced_ * down_ % up_));
  }
  const int64_t keep_from = produced_ * down_ / up_ - (taps_ / 2 - 1);
  const int64_t drop = std::clamp<int64_t>(keep_from - buffer_first_, 0, end - buffer_first_);
  buffer_.erase(buffer_.begin(), buffer_.begin() + drop);
  buffer_first_ += drop;
}

Status Resampler::Push(const float* in, size_t count, Vector<float>* out) {
  if (status_ != Status::kOk) return status_;
  received_ += static_cast<int64_t>(count);
  if (taps_ == 0) {
    replaced_ += AppendFinite(in, count, out);
    produced_ = received_;
    return Status::kOk;
  }
  for (size_t at = 0; at < count; at += kBlock) {
    replaced_ += AppendFinite(in + at, std::min(kBlock, count - at), &buffer_);
    Produce(INT64_MAX, out);
  }
  return Status::kOk;
}

Status Resampler::Finish(Vector<float>* out) {
  if (status_ != Status::kOk) return status_;
  status_ = Status::kWrongOrder;
  if (taps_ == 0) return Status::kOk;
  buffer_.resize(buffer_.size() + taps_, 0.0f);
  Produce((received_ * up_ + down_ - 1) / down_, out);
  return Status::kOk;
}

}  // namespace avg
