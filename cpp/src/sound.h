// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "audio/speech.h"
#include "memory.h"
#include "status.h"

namespace avg {

// PCM as it is pushed: interleaved float32 in [-1, 1] or 16-bit integers. Several channels are averaged.
struct Pcm {
  const void* samples = nullptr;
  size_t count = 0;  // in each channel
  int32_t rate_hz = 0;
  int32_t channels = 1;
  bool is_s16 = false;
};

// Places pushed PCM on the clock: resamples, fills gaps with silence, drops overlaps, and turns it into log-mel frames
// and speech flags. Sample n of the result lies at n / 16000 s on the session's clock.
class SoundLine {
 public:
  // Times that differ from the running sample count by less than this are rounding of the container.
  static constexpr int64_t kJitterUs = 30'000;
  static constexpr int64_t kLongestGapUs = 3'600'000'000;
  // Log-mel frames that may be held at a time, and speech flags that are remembered.
  static constexpr int64_t kMaxRows = 640;
  static constexpr size_t kRemembered = 1024;

  struct Options {
    Arena* arena = nullptr;
    size_t room_bytes = 0;      // in an arena: RoomFor this rate, which is measured on the heap
    int32_t rate_hz = 0;        // the only rate that will come; 0: any
    bool keep_samples = false;  // everything resampled, on the heap
  };
  explicit SoundLine(const Options& options);
  // Bytes of an arena for what is made when the sound's rate becomes known; 0: any rate.
  static size_t RoomFor(int32_t rate_hz);

  // Begins a push whose first sample is at t_us. kInvalidArgument when the rate changes or is out of range. Then `Feed`
  // takes the push in pieces, so that what it makes can be used and forgotten in between.
  Status Begin(const Pcm& pcm, int64_t t_us);
  // Feeds the next piece of the push that was begun; `*more` tells whether there is another.
  Status Feed(const Pcm& pcm, bool* more);
  Status Finish();

  bool started() const { return resampler_.has_value(); }
  int64_t start_us() const { return start_us_; }
  int64_t first_sample() const { return first_sample_; }
  // Log-mel frames [begin, end) can be read; frame j is (mel_bands + linear_bands) floats.
  int64_t begin() const { return mel_ ? mel_->begin() : 0; }
  int64_t end() const { return mel_ ? mel_->end() : 0; }
  const float* frame(int64_t j) const;  // nullptr outside [begin, end)
  bool speech(int64_t j) const;         // false outside of what was heard and is remembered
  void DiscardBefore(int64_t j);
  // Where a push that begins at t_us ends on the clock. Its rate is positive.
  static int64_t EndUs(const Pcm& pcm, int64_t t_us);

  int64_t speech_frames() const { return speech_frames_; }
  std::optional<double> bandwidth_hz() const;
  std::optional<double> loudness_dbfs() const;
  int64_t gaps() const { return gaps_; }
  int64_t overlaps() const { return overlaps_; }
  int64_t replaced() const { return resampler_ ? resampler_->replaced() : 0; }
  // Everything resampled so far, when keep_samples was asked for.
  const std::vector<float>& kept_samples() const { return kept_; }

 private:
  // A push is fed in pieces of a tenth of a second.
  static constexpr int kPiecesPerSecond = 10;
  static constexpr size_t kPieceOut = spec::audio::sample_rate_hz / kPiecesPerSecond + 8;

  void Start(int32_t rate_hz, int64_t t_us);
  const float* Mono(const Pcm& pcm, size_t from, size_t count);
  Status FeedPiece(const float* samples, size_t count);
  void Absorb(const Vector<float>& resampled);
  void ReadSpeech();

  const Options options_;
  Vector<uint8_t> room_;  // of the resampler and the log-mel, whose sizes depend on the rate
  std::optional<Arena> room_arena_;
  int32_t rate_hz_ = 0;
  int64_t start_us_ = 0;
  int64_t received_ = 0;  // input samples since start_us_, inserted silence included
  int64_t first_sample_ = 0;
  int64_t silence_left_ = 0;  // of the push that was begun
  size_t next_sample_ = 0, count_ = 0;
  int64_t gaps_ = 0, overlaps_ = 0, speech_frames_ = 0;
  std::optional<Resampler> resampler_;
  std::optional<LogMel> mel_;
  Vector<float> piece_, silence_, resampled_;
  SpeechActivity activity_;
  std::array<uint8_t, kRemembered> speech_{};  // flag of frame j at j mod kRemembered
  int64_t speech_begin_ = 0, speech_end_ = 0;
  LevelMeter level_;
  std::vector<float> kept_;
};

}  // namespace avg
