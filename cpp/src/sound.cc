// SPDX-License-Identifier: Apache-2.0
#include "sound.h"

#include <algorithm>
#include <cstdlib>

#include "floor_div.h"

namespace avg {
namespace {
constexpr int64_t kSecondUs = 1'000'000;
}  // namespace

Status SoundLine::Push(const float* samples, size_t count, int32_t rate_hz, int64_t t_us) {
  if (rate_hz < Resampler::kMinRateHz || rate_hz > Resampler::kMaxRateHz) return Status::kInvalidArgument;
  if (resampler_ == nullptr) {
    rate_hz_ = rate_hz;
    start_us_ = t_us;
    first_sample_ = FloorDiv(t_us * spec::audio::sample_rate_hz + kSecondUs / 2, kSecondUs);
    speech_begin_ = FloorDiv(first_sample_, spec::audio::hop_samples);
    resampler_ = std::make_unique<Resampler>(rate_hz);
    mel_ = std::make_unique<LogMel>(first_sample_);
  }
  if (rate_hz != rate_hz_) return Status::kInvalidArgument;
  const int64_t expected_us = start_us_ + received_ * kSecondUs / rate_hz_;
  const int64_t ahead_us = t_us - expected_us;
  if (ahead_us > kLongestGapUs) return Status::kLimit;
  if (ahead_us > kJitterUs) {
    ++gaps_;
    const std::vector<float> silence(static_cast<size_t>(rate_hz_), 0.0f);
    for (int64_t left = ahead_us * rate_hz_ / kSecondUs; left > 0; left -= rate_hz_) {
      const Status status = Feed(silence.data(), static_cast<size_t>(std::min<int64_t>(left, rate_hz_)));
      if (status != Status::kOk) return status;
    }
  } else if (ahead_us < -kJitterUs) {
    ++overlaps_;
    const auto drop =
        static_cast<size_t>(std::min<int64_t>(-ahead_us * rate_hz_ / kSecondUs, static_cast<int64_t>(count)));
    samples += drop;
    count -= drop;
  }
  return Feed(samples, count);
}

Status SoundLine::Feed(const float* samples, size_t count) {
  received_ += static_cast<int64_t>(count);
  std::vector<float> resampled;
  const Status status = resampler_->Push(samples, count, &resampled);
  if (status == Status::kOk) Absorb(resampled);
  return status;
}

void SoundLine::Absorb(const std::vector<float>& resampled) {
  level_.Push(resampled.data(), resampled.size());
  mel_->Push(resampled.data(), resampled.size());
  if (keep_samples_) kept_.insert(kept_.end(), resampled.begin(), resampled.end());
  ReadSpeech();
}

void SoundLine::ReadSpeech() {
  for (int64_t j = speech_begin_ + static_cast<int64_t>(speech_.size()); j < mel_->end(); ++j) {
    const bool speech = activity_.Push(mel_->frame(j));
    speech_.push_back(speech ? 1 : 0);
    speech_frames_ += speech ? 1 : 0;
  }
}

Status SoundLine::Finish() {
  if (resampler_ == nullptr) return Status::kOk;
  std::vector<float> rest;
  Status status = resampler_->Finish(&rest);
  if (status != Status::kOk) return status;
  Absorb(rest);
  status = mel_->Finish();
  if (status == Status::kOk) ReadSpeech();
  return status;
}

const float* SoundLine::frame(int64_t j) const { return mel_ ? mel_->frame(j) : nullptr; }

bool SoundLine::speech(int64_t j) const {
  const int64_t i = j - speech_begin_;
  return i >= 0 && i < static_cast<int64_t>(speech_.size()) && speech_[static_cast<size_t>(i)] != 0;
}

void SoundLine::DiscardBefore(int64_t j) {
  if (mel_) mel_->DiscardBefore(j);
}

std::optional<double> SoundLine::bandwidth_hz() const {
  if (speech_.empty()) return std::nullopt;
  return activity_.bandwidth_hz();
}

std::optional<double> SoundLine::loudness_dbfs() const {
  if (speech_.empty()) return std::nullopt;
  return level_.rms_dbfs();
}

}  // namespace avg
