// SPDX-License-Identifier: Apache-2.0
#include "audio/logmel.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "audio/samples.h"
#include "elementary.h"
#include "floor_div.h"

namespace avg {
namespace {

namespace audio = spec::audio;
constexpr int kHop = audio::hop_samples;
constexpr int kWindow = audio::window_samples;
constexpr int kLead = (kWindow - kHop) / 2;  // samples of a window before its cell
constexpr int kLanes = Fft::kLanes;
constexpr int kBins = Fft::kSize / 2;  // the one at 8 kHz is not used
constexpr int kBinsPerLinear = kBins / audio::linear_bands;
constexpr size_t kBlock = 16384;
constexpr double kPi = 3.14159265358979323846;
static_assert(audio::fft_size == Fft::kSize);
static_assert(kBinsPerLinear == 2 && kBinsPerLinear * audio::linear_bands == kBins);
static_assert(audio::mel_high_hz * audio::fft_size < audio::sample_rate_hz * kBins);

double Mel(double hz) { return 2595.0 * Log10(1.0 + hz / 700.0); }

// Natural logarithm of a normal positive number to 3e-7: x = 2^e m with m in [sqrt(1/2), sqrt(2)),
// log m = 2 artanh((m - 1) / (m + 1)). Unlike Log it becomes vector code on every compiler.
inline float FastLog(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;
  bits -= exponent * (1 << 23);
  float m;
  std::memcpy(&m, &bits, sizeof m);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float t = s * s;
  const float series = t * (1.0f / 3 + t * (1.0f / 5 + t * (1.0f / 7 + t * (1.0f / 9))));
  return static_cast<float>(exponent) * 0.693147181f + 2.0f * (s + s * series);
}

// Four neighbouring frames' windows, side by side. Samples too small to matter are dropped: their
// squares would be denormal, which costs a hundred times the time.
void Gather(const float* samples, const float* window, float* lanes) {
  for (int n = 0; n < kWindow; ++n) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float x = samples[lane * kHop + n];
      lanes[n * kLanes + lane] = window[n] * (std::abs(x) < 1e-15f ? 0.0f : x);
    }
  }
}

void Logarithm(float* bands) {
  constexpr float kFloor = static_cast<float>(audio::log_floor);
  for (int i = 0; i < LogMel::kRow * kLanes; ++i) {
    // In this order the comparison also turns a NaN (overflowed inputs) into the floor.
    const float power = bands[i] > kFloor ? bands[i] : kFloor;
    bands[i] = FastLog(power < FLT_MAX ? power : FLT_MAX);
  }
}

void Power(const float* __restrict re, const float* __restrict im, float* __restrict power) {
  for (int i = 0; i < kBins * kLanes; ++i) power[i] = re[i] * re[i] + im[i] * im[i];
  for (int lane = 0; lane < kLanes; ++lane) power[lane] = 0.0f;
}

}  // namespace

LogMel::LogMel(int64_t first_sample, Arena* arena, size_t max_rows, size_t max_push)
    : window_(arena),
      triangles_(arena),
      weights_(arena),
      samples_(arena),
      rows_(arena),
      rows_begin_(FloorDiv(first_sample, kHop)),
      begin_(rows_begin_),
      end_(rows_begin_),
      next_sample_(first_sample) {
  // Two windows are held at most, and a group of frames is read in full.
  samples_.reserve(std::min(max_push, kBlock) + 4 * kWindow + kLanes * kHop);
  // Up to half of the rows may be discarded but not moved yet.
  rows_.reserve(2 * max_rows * kRow);
  samples_.assign(first_sample - begin_ * kHop + kLead, 0.0f);
  Design();
}

void LogMel::Design() {
  window_.resize(kWindow);
  triangles_.reserve(kMel);
  weights_.reserve(2 * kBins);  // each bin lies in two triangles at most
  double sum = 0.0;
  for (int n = 0; n < kWindow; ++n) sum += 0.5 - 0.5 * Cos(2.0 * kPi * n / kWindow);
  for (int n = 0; n < kWindow; ++n) {
    window_[n] = static_cast<float>((0.5 - 0.5 * Cos(2.0 * kPi * n / kWindow)) / sum);
  }
  const double low = Mel(audio::mel_low_hz);
  const double step = (Mel(audio::mel_high_hz) - low) / (kMel + 1);
  for (int band = 0; band < kMel; ++band) {
    Triangle triangle{0, static_cast<int>(weights_.size()), 0};
    for (int bin = 1; bin < kBins; ++bin) {
      const double mel = Mel(static_cast<double>(bin) * audio::sample_rate_hz / audio::fft_size);
      const double weight = 1.0 - std::abs(mel - (low + (band + 1) * step)) / step;
      if (weight <= 0.0) continue;
      if (triangle.count++ == 0) triangle.first_bin = bin;
      weights_.push_back(static_cast<float>(weight));
    }
    triangles_.push_back(triangle);
  }
}

Status LogMel::Push(const float* in, size_t count) {
  if (finished_) return Status::kWrongOrder;
  for (size_t at = 0; at < count; at += kBlock) {
    const size_t block = std::min(kBlock, count - at);
    AppendFinite(in + at, block, &samples_);
    next_sample_ += static_cast<int64_t>(block);
    Analyse(FloorDiv(next_sample_ - (kHop + kLead), kHop) + 1);
  }
  any_ = any_ || count > 0;
  return Status::kOk;
}

Status LogMel::Finish() {
  if (finished_) return Status::kWrongOrder;
  finished_ = true;
  if (any_) Analyse(FloorDiv(next_sample_ - 1, kHop) + 1);
  samples_.clear();
  return Status::kOk;
}

// Makes the frames before `until`, reading samples not there as zero.
void LogMel::Analyse(int64_t until) {
  const int64_t frames = until - end_;
  if (frames <= 0) return;
  const size_t held = samples_.size();
  // A group is read in full; what its surplus lanes see is never used.
  samples_.resize(held + kWindow + (kLanes - 1) * kHop, 0.0f);
  rows_.resize(rows_.size() + frames * kRow);
  for (int64_t at = 0; at < frames; at += kLanes) {
    const int64_t row = end_ + at - rows_begin_;
    AnalyseGroup(samples_.data() + at * kHop, std::min<int64_t>(kLanes, frames - at), rows_.data() + row * kRow);
  }
  end_ = until;
  samples_.resize(held);
  samples_.erase(samples_.begin(), samples_.begin() + std::min<int64_t>(held, frames * kHop));
}

void LogMel::AnalyseGroup(const float* samples, int64_t frames, float* rows) const {
  alignas(64) float lanes[Fft::kSize * kLanes] = {};
  alignas(64) float re[Fft::kBins * kLanes], im[Fft::kBins * kLanes];
  alignas(64) float power[kBins * kLanes], bands[kRow * kLanes];
  Gather(samples, window_.data(), lanes);
  fft_.Forward(lanes, re, im);
  Power(re, im, power);
  Bands(power, bands);
  Logarithm(bands);
  for (int64_t lane = 0; lane < frames; ++lane) {
    for (int band = 0; band < kRow; ++band) rows[lane * kRow + band] = bands[band * kLanes + lane];
  }
}

void LogMel::Bands(const float* __restrict power, float* __restrict bands) const {
  for (int band = 0; band < kMel; ++band) {
    const Triangle& triangle = triangles_[band];
    const float* weight = weights_.data() + triangle.first_weight;
    const float* from = power + triangle.first_bin * kLanes;
    float sum[kLanes] = {};
    for (int i = 0; i < triangle.count; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) sum[lane] += weight[i] * from[i * kLanes + lane];
    }
    std::memcpy(bands + band * kLanes, sum, sizeof sum);
  }
  float* linear = bands + kMel * kLanes;
  for (int band = 0; band < kLinear; ++band) {
    const float* from = power + band * kBinsPerLinear * kLanes;
    for (int lane = 0; lane < kLanes; ++lane) {
      linear[band * kLanes + lane] = 0.5f * (from[lane] + from[kLanes + lane]);
    }
  }
}

const float* LogMel::frame(int64_t j) const {
  return j < begin_ || j >= end_ ? nullptr : rows_.data() + (j - rows_begin_) * kRow;
}

void LogMel::DiscardBefore(int64_t j) {
  begin_ = std::clamp(j, begin_, end_);
  const int64_t unused = begin_ - rows_begin_;
  // Moving the rest only when it is the smaller part keeps the cost per frame constant.
  if (unused == 0 || unused * 2 * kRow < static_cast<int64_t>(rows_.size())) return;
  rows_.erase(rows_.begin(), rows_.begin() + unused * kRow);
  rows_begin_ = begin_;
}

}  // namespace avg
