// SPDX-License-Identifier: Apache-2.0
#include "audio/speech.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "avg_spec.h"
#include "elementary.h"

namespace avg {
namespace {

namespace audio = spec::audio;
constexpr double kLowHz = 200.0;
constexpr double kHighHz = 4000.0;
constexpr double kQuietDbfs = -60.0;  // never speech below
constexpr double kEarlyNoiseDbfs = -55.0;
constexpr double kSilentDbfs = -100.0;
constexpr double kSpeechOverNoiseDb = 8.0;
constexpr int kHangOver = 5;      // frames
constexpr int kBlockFrames = 50;  // of the noise tracker

constexpr double kBandHz = 0.5 * audio::sample_rate_hz / audio::linear_bands;
constexpr double kNoiseBelowHz = 7200.0;
constexpr int kNoiseGroup = 8;  // bands
constexpr double kContentOverNoiseDb = 10.0;
constexpr double kContentOverFloorDb = 4.0;
constexpr double kContentUnderPeakDb = 55.0;
constexpr int64_t kEnoughSpeechBlocks = 10;  // fewer are ruled by the click with which a recording begins

constexpr double kLn10 = 2.30258509299404568402;

// e^x to 3e-7, x kept within -87 and 88; NaN becomes the least. The other way round from LogMel's logarithm, and like
// it vector code on every compiler.
inline float FastExp(float x) {
  const float bounded = x > -87.0f ? (x < 88.0f ? x : 88.0f) : -87.0f;
  const int32_t exponent = static_cast<int32_t>(bounded * 1.44269504f + 128.5f) - 128;
  const auto times = static_cast<float>(exponent);
  // log 2 in two parts, the first of few bits.
  const float r = (bounded - times * 0.693359375f) + times * 2.12194440e-4f;
  const float series =
      1.0f + r * (1.0f + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720))))));
  const int32_t bits = (exponent + 127) * (1 << 23);
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return series * power;
}

double Decibels(double power, double least) { return power > 0.0 ? std::max(10.0 * Log10(power), least) : least; }

double MelCentreHz(int band) {
  const double low = Log10(1.0 + audio::mel_low_hz / 700.0);
  const double high = Log10(1.0 + audio::mel_high_hz / 700.0);
  return 700.0 * (Exp((low + (band + 1) * (high - low) / (audio::mel_bands + 1)) * kLn10) - 1.0);
}

// Mean square of the signal per unit of the sum of its mel powers. By Parseval's theorem, for a
// periodic Hann window w: 2 (sum w)^2 / (fft_size sum w^2), with sum w = n / 2, sum w^2 = 3 n / 8.
constexpr double MeanSquarePerPower() { return 2.0 * audio::window_samples * 2.0 / (audio::fft_size * 3.0); }

// How far content stands above noise. Noise that the log floor hides is lower than it seems, and
// what shows above it is content sooner.
double Margin(double noise_db) { return std::min(kContentOverNoiseDb, kContentOverFloorDb + 6.0 * noise_db); }

// Bin of the value at or below which `share` of the counted values lie.
template <typename Histogram>
int Percentile(const Histogram& histogram, int64_t count, double share) {
  int64_t seen = 0;
  const double wanted = share * static_cast<double>(count);
  for (size_t bin = 0; bin < histogram.size(); ++bin) {
    seen += histogram[bin];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return static_cast<int>(bin);
  }
  return 0;
}

}  // namespace

void LevelMeter::Push(const float* in, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const double x = std::isfinite(in[i]) ? in[i] : 0.0;
    squares_ += x * x;
    peak_ = std::max(peak_, std::abs(x));
  }
  count_ += static_cast<int64_t>(count);
}

double LevelMeter::rms_dbfs() const {
  return Decibels(count_ > 0 ? squares_ / static_cast<double>(count_) : 0.0, kSilenceDbfs);
}

double LevelMeter::peak_dbfs() const { return Decibels(peak_ * peak_, kSilenceDbfs); }

void BandwidthMeter::Push(const float* row, bool speech) {
  for (int band = 0; band < LogMel::kLinear; ++band) sum_[band] += FastExp(row[LogMel::kMel + band]);
  block_speech_ = block_speech_ || speech;
  if (++rows_ == kBlock) Close();
}

void BandwidthMeter::Close() {
  for (int band = 0; band < LogMel::kLinear; ++band) {
    const double over_floor_db = Decibels(sum_[band] / (rows_ * audio::log_floor), 0.0);
    const int bin = static_cast<int>(std::clamp(over_floor_db, 0.0, kBins - 1.0));
    ++all_[band][bin];
    if (block_speech_) ++speech_[band][bin];
  }
  ++blocks_;
  speech_blocks_ += block_speech_ ? 1 : 0;
  sum_.fill(0.0);
  rows_ = 0;
  block_speech_ = false;
}

// The quietest group's 10th percentile: the mean over the group steadies it.
double BandwidthMeter::NoiseDb() const {
  double noise = kBins;
  for (int first = 0; (first + kNoiseGroup) * kBandHz <= kNoiseBelowHz; first += kNoiseGroup) {
    double sum = 0.0;
    for (int i = 0; i < kNoiseGroup; ++i) sum += Percentile(all_[first + i], blocks_, 0.10);
    noise = std::min(noise, sum / kNoiseGroup);
  }
  return noise;
}

double BandwidthMeter::bandwidth_hz() const {
  const bool enough_speech = speech_blocks_ >= kEnoughSpeechBlocks;
  std::array<int, LogMel::kLinear> level;  // decibels over the log floor
  for (int band = 0; band < LogMel::kLinear; ++band) {
    level[band] =
        enough_speech ? Percentile(speech_[band], speech_blocks_, 0.95) : Percentile(all_[band], blocks_, 0.95);
  }
  const int peak = *std::max_element(level.begin(), level.end());
  const auto edge = [&](double noise_db) {
    const double least = std::max(noise_db + Margin(noise_db), peak - kContentUnderPeakDb);
    int band = LogMel::kLinear;
    while (band > 0 && level[band - 1] <= least) --band;
    return band * kBandHz;
  };
  const double found = edge(NoiseDb());
  return found > 0.0 ? found : edge(0.0);
}

SpeechActivity::SpeechActivity() {
  while (MelCentreHz(first_band_) < kLowHz) ++first_band_;
  last_band_ = first_band_;
  while (MelCentreHz(last_band_ + 1) <= kHighHz) ++last_band_;
  gain_ = MeanSquarePerPower();
  minima_.fill(1e9);
  minima_[kBlocks - 1] = kEarlyNoiseDbfs;
}

double SpeechActivity::LevelDbfs(const float* row) const {
  std::array<float, LogMel::kMel> powers;
  for (int band = 0; band < LogMel::kMel; ++band) powers[band] = FastExp(row[band]);
  double power = 0.0;
  // Less the floor in each band, or silence in 40 bands would sum up to a faint voice.
  for (int band = first_band_; band <= last_band_; ++band) {
    power += std::max(powers[band] - audio::log_floor, 0.0);
  }
  return Decibels(gain_ * power, kSilentDbfs);
}

double SpeechActivity::TrackNoise(double level) {
  recent_[frames_ % 3] = level;
  const int64_t held = std::min<int64_t>(frames_ + 1, 3);
  double smooth = 0.0;
  for (int64_t i = 0; i < held; ++i) smooth += recent_[i] / static_cast<double>(held);
  const int64_t block = frames_ / kBlockFrames % kBlocks;
  const bool opens = frames_ % kBlockFrames == 0;
  minima_[block] = opens ? smooth : std::min(minima_[block], smooth);
  return *std::min_element(minima_.begin(), minima_.end());
}

bool SpeechActivity::Push(const float* row) {
  const double level = LevelDbfs(row);
  const double noise = TrackNoise(level);
  if (++frames_ == kBlockFrames) minima_[kBlocks - 1] = 1e9;
  const bool active = level > std::max(kQuietDbfs, noise + kSpeechOverNoiseDb);
  const bool speech = active || hang_over_ > 0;
  hang_over_ = active ? kHangOver : std::max(hang_over_ - 1, 0);
  speech_frames_ += speech ? 1 : 0;
  bandwidth_.Push(row, speech);
  return speech;
}

}  // namespace avg
