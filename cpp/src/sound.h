// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "audio/speech.h"
#include "status.h"

namespace avg {

// Places pushed PCM on the clock: resamples, fills gaps with silence, drops overlaps, and turns it into log-mel frames
// and speech flags. Sample n of the result lies at n / 16000 s on the session's clock.
class SoundLine {
 public:
  // Times that differ from the running sample count by less than this are rounding of the container.
  static constexpr int64_t kJitterUs = 30'000;
  static constexpr int64_t kLongestGapUs = 3'600'000'000;

  explicit SoundLine(bool keep_samples) : keep_samples_(keep_samples) {}

  // Mono samples in [-1, 1], the first at t_us. kInvalidArgument when the rate changes or is out of range.
  Status Push(const float* samples, size_t count, int32_t rate_hz, int64_t t_us);
  Status Finish();

  bool started() const { return resampler_ != nullptr; }
  int64_t first_sample() const { return first_sample_; }
  // Log-mel frames [begin, end) can be read; frame j is (mel_bands + linear_bands) floats.
  int64_t begin() const { return mel_ ? mel_->begin() : 0; }
  int64_t end() const { return mel_ ? mel_->end() : 0; }
  const float* frame(int64_t j) const;  // nullptr outside [begin, end)
  bool speech(int64_t j) const;         // false outside of what was heard
  void DiscardBefore(int64_t j);

  int64_t speech_frames() const { return speech_frames_; }
  std::optional<double> bandwidth_hz() const;
  std::optional<double> loudness_dbfs() const;
  int64_t gaps() const { return gaps_; }
  int64_t overlaps() const { return overlaps_; }
  int64_t replaced() const { return resampler_ ? resampler_->replaced() : 0; }
  // Everything resampled so far, when keep_samples was asked for.
  const std::vector<float>& kept_samples() const { return kept_; }

 private:
  Status Feed(const float* samples, size_t count);
  void Absorb(const std::vector<float>& resampled);
  void ReadSpeech();

  bool keep_samples_;
  int32_t rate_hz_ = 0;
  int64_t start_us_ = 0;
  int64_t received_ = 0;  // input samples since start_us_, inserted silence included
  int64_t first_sample_ = 0;
  int64_t gaps_ = 0, overlaps_ = 0, speech_frames_ = 0;
  std::unique_ptr<Resampler> resampler_;
  std::unique_ptr<LogMel> mel_;
  SpeechActivity activity_;
  std::vector<uint8_t> speech_;  // flags of frames from speech_begin_ on
  int64_t speech_begin_ = 0;
  LevelMeter level_;
  std::vector<float> kept_;
};

}  // namespace avg
