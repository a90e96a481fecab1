// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "audio/speech.h"
#include "audio/window_audio.h"
#include "check.h"
#include "sound.h"

using avg::Status;

namespace {
std::vector<float> Tone(size_t count, double cycles_per_sample) {
  std::vector<float> samples(count);
  for (size_t i = 0; i < count; ++i)
    samples[i] = static_cast<float>(0.5 * std::sin(6.283185307 * cycles_per_sample * static_cast<double>(i)));
  return samples;
}
}  // namespace

TEST(ResamplerIsIndependentOfChunks) {
  for (const int32_t rate : {4000, 8000, 22057, 44100, 48000, 192000}) {
    const auto tone = Tone(5000, 0.05);
    avg::Resampler whole(rate), pieces(rate);
    avg::Vector<float> a, b;
    CHECK(whole.Push(tone.data(), tone.size(), &a) == Status::kOk);
    for (size_t at = 0; at < tone.size(); at += 37) {
      CHECK(pieces.Push(tone.data() + at, std::min<size_t>(37, tone.size() - at), &b) == Status::kOk);
    }
    CHECK(whole.Finish(&a) == Status::kOk && pieces.Finish(&b) == Status::kOk);
    CHECK(a == b);
    CHECK(a.size() == (tone.size() * 16000 + static_cast<size_t>(rate) - 1) / static_cast<size_t>(rate));
    CHECK(whole.Push(tone.data(), 1, &a) == Status::kWrongOrder);
  }
}

TEST(ImpossibleRatesAreRefused) {
  avg::Vector<float> out;
  const float sample = 0;
  for (const int32_t rate : {-1, 0, 3999, 192001, std::numeric_limits<int32_t>::max()}) {
    avg::Resampler resampler(rate);
    CHECK(resampler.Push(&sample, 1, &out) == Status::kInvalidArgument);
  }
}

TEST(BrokenSamplesDoNotSpread) {
  std::vector<float> samples(4000, 0.1f);
  samples[1000] = std::numeric_limits<float>::quiet_NaN();
  samples[1001] = std::numeric_limits<float>::infinity();
  avg::LogMel mel(-123);
  CHECK(mel.Push(samples.data(), samples.size()) == Status::kOk);
  CHECK(mel.Finish() == Status::kOk);
  for (int64_t j = mel.begin(); j < mel.end(); ++j) {
    for (int band = 0; band < avg::LogMel::kRow; ++band) CHECK(std::isfinite(mel.frame(j)[band]));
  }
  CHECK(mel.frame(mel.end()) == nullptr && mel.frame(mel.begin() - 1) == nullptr);
}

namespace {
Status Push(avg::SoundLine* line, const std::vector<float>& samples, size_t count, int32_t rate_hz, int64_t t_us) {
  const avg::Pcm pcm{samples.data(), count, rate_hz};
  Status status = line->Begin(pcm, t_us);
  for (bool more = true; more && status == Status::kOk;) status = line->Feed(pcm, &more);
  return status;
}
}  // namespace

TEST(SoundLineFillsGapsAndDropsOverlaps) {
  const auto tone = Tone(16000, 0.02);
  avg::SoundLine line({nullptr, 0, true});
  CHECK(Push(&line, tone, tone.size(), 16000, -500'000) == Status::kOk);
  CHECK(Push(&line, tone, tone.size(), 16000, 1'000'000) == Status::kOk);  // half a second missing
  CHECK(Push(&line, tone, tone.size(), 16000, 1'500'000) == Status::kOk);  // half a second twice
  CHECK(Push(&line, tone, 10, 8000, 2'500'000) == Status::kInvalidArgument);
  CHECK(line.Finish() == Status::kOk);
  CHECK(line.gaps() == 1 && line.overlaps() == 1);
  CHECK(line.first_sample() == -8000);
  CHECK(line.kept_samples().size() == 16000u + 8000u + 16000u + 8000u);
  line.DiscardBefore(100);
  CHECK(line.frame(99) == nullptr);
}

TEST(MissingSoundIsZeros) {
  std::vector<const float*> rows(avg::kAudioWindowFrames, nullptr);
  std::vector<float> mel(64 * 192, 1), linear(128 * 192, 1);
  CHECK(!avg::NormaliseAudioWindow(rows.data(), mel.data(), linear.data()));
  for (float value : mel) CHECK(value == 0);
}
