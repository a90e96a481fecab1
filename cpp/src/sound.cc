// SPDX-License-Identifier: Apache-2.0
#include "sound.h"

#include <algorithm>
#include <cstdlib>

#include "floor_div.h"

namespace avg {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// Of the Kaiser window's tail that comes with the end of the sound.
constexpr size_t kLongestTailOut = 1024;

size_t Slot(int64_t j) {
  const auto size = static_cast<int64_t>(SoundLine::kRemembered);
  return static_cast<size_t>(j - FloorDiv(j, size) * size);
}

}  // namespace

SoundLine::SoundLine(const Options& options)
    : options_(options),
      room_(options.arena),
      piece_(options.arena),
      silence_(options.arena),
      resampled_(options.arena) {
  if (options.arena != nullptr) {
    room_.reserve(options.room_bytes);
    room_arena_.emplace(room_.data(), room_.capacity());
  }
  resampled_.reserve(kPieceOut + kLongestTailOut);
  const int32_t fastest = options.rate_hz > 0 ? options.rate_hz : Resampler::kMaxRateHz;
  piece_.assign(static_cast<size_t>(fastest / kPiecesPerSecond), 0.0f);
  silence_ = piece_;
}

size_t SoundLine::RoomFor(int32_t rate_hz) {
  Arena measure;
  const Resampler resampler(rate_hz > 0 ? rate_hz : Resampler::kLargestHz, &measure);
  const LogMel mel(0, &measure, kMaxRows, kPieceOut + kLongestTailOut);
  return measure.used() + 2 * Arena::kAlignment;
}

void SoundLine::Start(int32_t rate_hz, int64_t t_us) {
  Arena* arena = room_arena_ ? &*room_arena_ : nullptr;
  rate_hz_ = rate_hz;
  start_us_ = t_us;
  first_sample_ = FloorDiv(t_us * spec::audio::sample_rate_hz + kSecondUs / 2, kSecondUs);
  speech_begin_ = speech_end_ = FloorDiv(first_sample_, spec::audio::hop_samples);
  resampler_.emplace(rate_hz, arena);
  mel_.emplace(first_sample_, arena, kMaxRows, kPieceOut + kLongestTailOut);
}

Status SoundLine::Begin(const Pcm& pcm, int64_t t_us) {
  const int32_t rate_hz = pcm.rate_hz;
  if (rate_hz < Resampler::kMinRateHz || rate_hz > Resampler::kMaxRateHz) return Status::kInvalidArgument;
  if (options_.rate_hz > 0 && rate_hz != options_.rate_hz) return Status::kInvalidArgument;
  if (!started()) Start(rate_hz, t_us);
  if (rate_hz != rate_hz_) return Status::kInvalidArgument;
  const int64_t expected_us = start_us_ + received_ * kSecondUs / rate_hz_;
  const int64_t ahead_us = t_us - expected_us;
  if (ahead_us > kLongestGapUs) return Status::kLimit;
  silence_left_ = 0;
  next_sample_ = 0;
  count_ = pcm.count;
  if (ahead_us > kJitterUs) {
    ++gaps_;
    silence_left_ = ahead_us * rate_hz_ / kSecondUs;
  } else if (ahead_us < -kJitterUs) {
    ++overlaps_;
    next_sample_ =
        static_cast<size_t>(std::min<int64_t>(-ahead_us * rate_hz_ / kSecondUs, static_cast<int64_t>(count_)));
  }
  return Status::kOk;
}

Status SoundLine::Feed(const Pcm& pcm, bool* more) {
  const auto piece = static_cast<size_t>(rate_hz_ / kPiecesPerSecond);
  Status status = Status::kOk;
  if (silence_left_ > 0) {
    const auto count = std::min(piece, static_cast<size_t>(silence_left_));
    silence_left_ -= static_cast<int64_t>(count);
    status = FeedPiece(silence_.data(), count);
  } else if (next_sample_ < count_) {
    const size_t from = next_sample_, count = std::min(piece, count_ - from);
    next_sample_ += count;
    status = FeedPiece(Mono(pcm, from, count), count);
  }
  *more = silence_left_ > 0 || next_sample_ < count_;
  return status;
}

// The mean of the channels; mono floats are taken as they are.
const float* SoundLine::Mono(const Pcm& pcm, size_t from, size_t count) {
  const auto channels = static_cast<size_t>(pcm.channels);
  const auto* floats = static_cast<const float*>(pcm.samples);
  const auto* shorts = static_cast<const int16_t*>(pcm.samples);
  if (channels == 1 && !pcm.is_s16) return floats + from;
  for (size_t i = 0; i < count; ++i) {
    float sum = 0;
    for (size_t k = (from + i) * channels, end = k + channels; k < end; ++k) {
      sum += pcm.is_s16 ? static_cast<float>(shorts[k]) / 32768.0f : floats[k];
    }
    piece_[i] = sum / static_cast<float>(channels);
  }
  return piece_.data();
}

Status SoundLine::FeedPiece(const float* samples, size_t count) {
  received_ += static_cast<int64_t>(count);
  resampled_.clear();
  const Status status = resampler_->Push(samples, count, &resampled_);
  if (status == Status::kOk) Absorb(resampled_);
  return status;
}

void SoundLine::Absorb(const Vector<float>& resampled) {
  level_.Push(resampled.data(), resampled.size());
  mel_->Push(resampled.data(), resampled.size());
  if (options_.keep_samples) kept_.insert(kept_.end(), resampled.begin(), resampled.end());
  ReadSpeech();
}

void SoundLine::ReadSpeech() {
  for (; speech_end_ < mel_->end(); ++speech_end_) {
    const bool speech = activity_.Push(mel_->frame(speech_end_));
    speech_[Slot(speech_end_)] = speech ? 1 : 0;
    speech_frames_ += speech ? 1 : 0;
  }
}

Status SoundLine::Finish() {
  if (!started()) return Status::kOk;
  resampled_.clear();
  Status status = resampler_->Finish(&resampled_);
  if (status != Status::kOk) return status;
  Absorb(resampled_);
  status = mel_->Finish();
  if (status == Status::kOk) ReadSpeech();
  return status;
}

const float* SoundLine::frame(int64_t j) const { return mel_ ? mel_->frame(j) : nullptr; }

bool SoundLine::speech(int64_t j) const {
  const int64_t oldest = std::max(speech_begin_, speech_end_ - static_cast<int64_t>(kRemembered));
  return j >= oldest && j < speech_end_ && speech_[Slot(j)] != 0;
}

void SoundLine::DiscardBefore(int64_t j) {
  if (mel_) mel_->DiscardBefore(j);
}

int64_t SoundLine::EndUs(const Pcm& pcm, int64_t t_us) {
  // No push is longer than the clock's range, which keeps the product small.
  const auto samples = static_cast<int64_t>(std::min<uint64_t>(pcm.count, uint64_t{1} << 36));
  return t_us + samples * kSecondUs / pcm.rate_hz;
}

std::optional<double> SoundLine::bandwidth_hz() const {
  if (speech_end_ == speech_begin_) return std::nullopt;
  return activity_.bandwidth_hz();
}

std::optional<double> SoundLine::loudness_dbfs() const {
  if (speech_end_ == speech_begin_) return std::nullopt;
  return level_.rms_dbfs();
}

}  // namespace avg
