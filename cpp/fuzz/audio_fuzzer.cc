// SPDX-License-Identifier: Apache-2.0
// Sound of any rate and shape, cut differently: the same samples and frames to the bit, all of them finite.
#include <cmath>

#include "audio/logmel.h"
#include "audio/resample.h"
#include "input.h"

using avg::Status;

namespace {

avg::Vector<float> Resampled(int32_t rate_hz, const std::vector<float>& samples, size_t piece) {
  avg::Resampler resampler(rate_hz);
  avg::Vector<float> out;
  for (size_t at = 0; at < samples.size(); at += piece) {
    const size_t count = std::min(piece, samples.size() - at);
    HOLDS(resampler.Push(samples.data() + at, count, &out) == Status::kOk);
  }
  HOLDS(resampler.Finish(&out) == Status::kOk);
  return out;
}

std::vector<float> Rows(int64_t first, const avg::Vector<float>& samples, size_t piece) {
  avg::LogMel mel(first);
  for (size_t at = 0; at < samples.size(); at += piece) {
    HOLDS(mel.Push(samples.data() + at, std::min(piece, samples.size() - at)) == Status::kOk);
  }
  HOLDS(mel.Finish() == Status::kOk);
  if (mel.begin() == mel.end()) return {};
  return {mel.frame(mel.begin()), mel.frame(mel.begin()) + (mel.end() - mel.begin()) * avg::LogMel::kRow};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  // Designing the filter is most of the time: few rates, and the odd one.
  constexpr int32_t kRates[] = {16000, 8000, 44100, 48000, 22057, 4000, 192000};
  const int32_t rate_hz = kRates[input.Between(0, 6)];
  const int64_t first = input.Take<int32_t>();
  const auto piece = static_cast<size_t>(input.Between(1, 700));
  std::vector<float> samples;
  while (!input.empty()) samples.push_back(input.Take<float>());
  const auto whole = Resampled(rate_hz, samples, SIZE_MAX / 2);
  const auto pieces = Resampled(rate_hz, samples, piece);
  HOLDS(whole.size() == pieces.size());
  for (size_t i = 0; i < whole.size(); ++i) HOLDS(std::memcmp(&whole[i], &pieces[i], sizeof(float)) == 0);
  const size_t expected = (samples.size() * 16000 + static_cast<size_t>(rate_hz) - 1) / static_cast<size_t>(rate_hz);
  HOLDS(whole.size() == expected);
  const auto rows = Rows(first, whole, SIZE_MAX / 2);
  HOLDS(rows == Rows(first, whole, piece));
  for (const float value : rows) HOLDS(std::isfinite(value));
  return 0;
}
