// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "audio/logmel.h"

namespace avg {

// Loudness of PCM samples in decibels relative to full scale (|sample| = 1).
class LevelMeter {
 public:
  static constexpr double kSilenceDbfs = -120.0;  // answered for silence and for no samples

  // NaN and infinities count as 0.
  void Push(const float* in, size_t count);
  // Root mean square: a full-scale square wave has 0, a sine -3.01.
  double rms_dbfs() const;
  double peak_dbfs() const;

 private:
  double squares_ = 0.0;
  double peak_ = 0.0;
  int64_t count_ = 0;
};

// Highest frequency at which a recording has content, from log band energies.
//
// The powers of kBlock rows are averaged, which settles noise, and sorted into one histogram of
// decibels per linear band, so memory is constant. A band has content when the 95th percentile of
// its blocks with speech (of all blocks when a second of it is lacking) is within 55 dB of the strongest band and
// stands above the recording's noise by 10 dB, or 4 dB where the noise lies under the log floor.
// The noise is the 10th percentile over all blocks, averaged over groups of 8 bands, in the
// quietest group; groups above 7.2 kHz are left out, since converters from other rates fade out
// there. Stationary sound stands out of no noise; for it the log floor is the noise. What the log
// floor hides cannot be found: quiet recordings seem narrower.
class BandwidthMeter {
 public:
  static constexpr int kBlock = 10;  // rows

  // `row`: LogMel::kRow floats.
  void Push(const float* row, bool speech);
  // Upper edge of the highest band with content, in steps of 62.5 Hz; 0 when there is none.
  double bandwidth_hz() const;

 private:
  static constexpr int kBins = 96;  // of 1 dB
  using Histogram = std::array<int32_t, kBins>;

  void Close();
  double NoiseDb() const;

  std::array<Histogram, LogMel::kLinear> all_{};
  std::array<Histogram, LogMel::kLinear> speech_{};
  std::array<double, LogMel::kLinear> sum_{};
  int32_t rows_ = 0;
  bool block_speech_ = false;
  int64_t blocks_ = 0;
  int64_t speech_blocks_ = 0;
};

// Says of each log-mel frame, in order, whether someone may be speaking.
//
// A frame is active when its level in 200..4000 Hz is above -60 dBFS and 8 dB above the noise: the
// least level, smoothed over 3 frames, of the last 2.5 to 3 s ("minimum statistics", Martin 2001,
// in its plainest form). Activity lasts 5 frames longer than that. Speech cannot be told from noise
// before some of either was heard: for the first 0.5 s the noise is assumed to be -55 dBFS at most.
// It is a gate for "is there any voice to judge": loud unsteady sound of other kinds passes too.
class SpeechActivity {
 public:
  SpeechActivity();

  // `row`: LogMel::kRow floats of the next frame.
  bool Push(const float* row);

  int64_t frames() const { return frames_; }
  int64_t speech_frames() const { return speech_frames_; }
  double bandwidth_hz() const { return bandwidth_.bandwidth_hz(); }

 private:
  static constexpr int kBlocks = 6;

  double LevelDbfs(const float* row) const;
  double TrackNoise(double level);

  int first_band_ = 0;
  int last_band_ = 0;
  double gain_ = 1.0;
  std::array<double, kBlocks> minima_;  // of 50 frames each; the newest is still growing
  std::array<double, 3> recent_{};
  int hang_over_ = 0;
  int64_t frames_ = 0;
  int64_t speech_frames_ = 0;
  BandwidthMeter bandwidth_;
};

}  // namespace avg
