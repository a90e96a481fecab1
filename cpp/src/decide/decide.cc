// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <algorithm>
#include <cmath>

#include "decide/timeline.h"

namespace avg {
namespace {

constexpr double kPeriodS = spec::video::period_us * 1e-6;

double Sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

// Mean of the judged windows' logits, drawn towards the worst one by peak_weight, then calibrated.
std::optional<double> ClipLogit(const std::vector<const WindowScore*>& windows, size_t head,
                                const Calibration& calibration) {
  double sum = 0, peak = -1e30;
  int64_t count = 0;
  for (const WindowScore* window : windows) {
    if (!window->Judged(head)) continue;
    sum += window->logits[head];
    peak = std::max<double>(peak, window->logits[head]);
    ++count;
  }
  if (count == 0) return std::nullopt;
  const double raw = (1 - calibration.peak_weight) * sum / count + calibration.peak_weight * peak;
  return calibration.scale[head] * raw + calibration.bias[head];
}

std::vector<const WindowScore*> OfTrack(const Evidence& evidence, int32_t track) {
  std::vector<const WindowScore*> windows;
  for (const WindowScore& window : evidence.windows) {
    if (window.track == track) windows.push_back(&window);
  }
  return windows;
}

// The windows of the primary track, and those without any face: the sound is judged everywhere.
std::vector<const WindowScore*> MainWindows(const Evidence& evidence, int32_t primary) {
  std::vector<const WindowScore*> windows;
  for (const WindowScore& window : evidence.windows) {
    const bool other = std::any_of(evidence.windows.begin(), evidence.windows.end(), [&](const WindowScore& peer) {
      return peer.first_index == window.first_index && peer.track == primary;
    });
    if (window.track == primary || (!other && window.track == -1)) windows.push_back(&window);
  }
  return windows;
}

double Weight(const TrackFacts& track) {
  const double size = track.eye_distance_sum / std::max<int64_t>(track.frames, 1);
  return static_cast<double>(track.frames) * std::sqrt(size) * (1.0 + track.Speaking());
}

const TrackFacts* Primary(const Evidence& evidence) {
  const TrackFacts* best = nullptr;
  for (const TrackFacts& track : evidence.tracks) {
    if (best == nullptr || Weight(track) > Weight(*best)) best = &track;
  }
  return best;
}

Score Probability(std::optional<double> logit) {
  if (!logit) return std::nullopt;
  return Sigmoid(*logit);
}

Label LabelOf(Score score, double fake_above, double real_below) {
  if (!score) return Label::kInconclusive;
  if (*score >= fake_above) return Label::kFake;
  return *score < real_below ? Label::kReal : Label::kInconclusive;
}

std::vector<std::string> MissingVideo(const Evidence& evidence, const TrackFacts* primary) {
  if (!evidence.expects_video) return {"no_video"};
  if (primary == nullptr) return {evidence.small_faces > 0 ? "face_too_small" : "no_face"};
  return {"face_too_short"};
}

std::vector<std::string> MissingAudio(const Evidence& evidence) {
  return {evidence.expects_audio ? "no_speech" : "no_audio"};
}

std::optional<double> OverallLogit(const PerHead<std::optional<double>>& logits, const Calibration& calibration) {
  const bool video = logits[kVideo].has_value(), audio = logits[kAudio].has_value();
  if (!video && !audio) return std::nullopt;
  const Calibration::Mix& mix = video && audio ? calibration.both
                                : video        ? calibration.video_only
                                               : calibration.audio_only;
  double logit = mix.bias;
  const double clean = (video ? 1 - Sigmoid(*logits[kVideo]) : 1.0) * (audio ? 1 - Sigmoid(*logits[kAudio]) : 1.0);
  const double bounded = std::clamp(clean, 1e-9, 1 - 1e-9);
  logit += mix.either * std::log((1 - bounded) / bounded);
  for (size_t head = 0; head < kHeads; ++head) logit += mix.weight[head] * logits[head].value_or(0.0);
  return logit;
}

void SetHeads(const Evidence& evidence, const TrackFacts* primary, const PerHead<std::optional<double>>& logits,
              const Calibration& calibration, Verdict* verdict) {
  for (size_t head = 0; head < kHeads; ++head) {
    HeadVerdict& said = verdict->heads[head];
    said.score = Probability(logits[head]);
    said.label = LabelOf(said.score, calibration.head_fake_above[head], calibration.head_real_below[head]);
    if (said.score) {
      if (said.label == Label::kInconclusive) said.reasons = {"uncertain"};
      continue;
    }
    if (head != kAudio && !logits[kVideo]) said.reasons = MissingVideo(evidence, primary);
    if (head != kVideo && !logits[kAudio]) {
      for (auto& reason : MissingAudio(evidence)) said.reasons.push_back(std::move(reason));
    }
  }
}

void SetLabel(const Evidence& evidence, const Calibration& calibration, Verdict* verdict) {
  verdict->label = LabelOf(verdict->overall, calibration.fake_above, calibration.real_below);
  const auto blame = [&](size_t head) {
    for (const auto& reason : verdict->heads[head].reasons) {
      if (reason != "uncertain") verdict->reasons.push_back(reason);
    }
  };
  blame(kVideo);
  blame(kAudio);
  if (verdict->overall && verdict->label == Label::kInconclusive) verdict->reasons.push_back("uncertain");
  // A clip whose picture or sound is there but could not be judged must not be called real on the other half alone.
  const bool blind = (evidence.expects_video && !verdict->heads[kVideo].score) ||
                     (evidence.expects_audio && !verdict->heads[kAudio].score && !verdict->heads[kVideo].score);
  if (blind && verdict->label == Label::kReal) verdict->label = Label::kInconclusive;
}

void SetOffset(const std::vector<const WindowScore*>& windows, const Calibration& calibration, Verdict* verdict) {
  std::array<double, 2 * kLags + 1> sum{};
  int64_t count = 0;
  for (const WindowScore* window : windows) {
    if (!window->face || !window->speech) continue;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += window->similarity[i];
    ++count;
  }
  if (count == 0) return;
  for (double& value : sum) value /= static_cast<double>(count);
  std::array<double, 2 * kLags + 1> sorted = sum;
  std::sort(sorted.begin(), sorted.end());
  const auto peak = static_cast<size_t>(std::max_element(sum.begin(), sum.end()) - sum.begin());
  verdict->offset_contrast = sum[peak] - sorted[kLags];
  if (verdict->offset_contrast < calibration.offset_contrast) return;
  double lag = static_cast<double>(peak) - kLags;
  if (peak > 0 && peak + 1 < sum.size()) {
    const double left = sum[peak - 1], right = sum[peak + 1], curve = left - 2 * sum[peak] + right;
    if (curve < 0) lag += 0.5 * (left - right) / curve;
  }
  verdict->offset_ms = lag * spec::video::period_us / 1000.0;
}

void SetTracks(const Evidence& evidence, const TrackFacts* primary, const Calibration& calibration, Verdict* verdict) {
  for (const TrackFacts& track : evidence.tracks) {
    const auto windows = OfTrack(evidence, track.id);
    TrackVerdict said;
    said.id = track.id;
    said.primary = &track == primary;
    said.start_us = track.first_index * spec::video::period_us;
    said.end_us = (track.last_index + 1) * spec::video::period_us;
    said.face_s = static_cast<double>(track.frames) * kPeriodS;
    said.speaking = track.Speaking();
    said.face_px = track.eye_distance_sum / std::max<int64_t>(track.frames, 1);
    said.video = Probability(ClipLogit(windows, kVideo, calibration));
    said.sync = Probability(ClipLogit(windows, kSync, calibration));
    said.desync = Probability(ClipLogit(windows, kDesync, calibration));
    if (!said.primary && said.video && *said.video >= calibration.head_fake_above[kVideo]) {
      verdict->warnings.push_back("another face than the speaker's looks manipulated");
    }
    verdict->tracks.push_back(said);
  }
}

void SetQuality(const Evidence& evidence, const TrackFacts* primary, Verdict* verdict) {
  Quality& quality = verdict->quality;
  quality.duration_s = static_cast<double>(evidence.end_index - evidence.first_index) * kPeriodS;
  quality.speech_s = evidence.speech_s;
  quality.bandwidth_hz = evidence.bandwidth_hz;
  quality.loudness_dbfs = evidence.loudness_dbfs;
  if (primary == nullptr || primary->frames == 0) return;
  const double frames = static_cast<double>(primary->frames);
  quality.face_s = frames * kPeriodS;
  quality.face_px = primary->eye_distance_sum / frames;
  quality.yaw = primary->yaw_sum / frames;
  quality.sharpness = primary->sharpness_sum / frames;
  quality.brightness = primary->brightness_sum / frames;
}

}  // namespace

double TrackFacts::Speaking() const {
  if (speech_frames == 0) return 0;
  const double speech = motion_in_speech / static_cast<double>(speech_frames);
  const double silence = silence_frames == 0 ? 0 : motion_in_silence / static_cast<double>(silence_frames);
  return speech + silence <= 0 ? 0 : (speech - silence) / (speech + silence);
}

Verdict Decide(const Evidence& evidence, const Calibration& calibration) {
  Verdict verdict;
  verdict.warnings = evidence.warnings;
  const TrackFacts* primary = Primary(evidence);
  const auto windows = MainWindows(evidence, primary == nullptr ? -1 : primary->id);
  PerHead<std::optional<double>> logits;
  for (size_t head = 0; head < kHeads; ++head) logits[head] = ClipLogit(windows, head, calibration);
  const double face_s = primary == nullptr ? 0 : static_cast<double>(primary->frames) * kPeriodS;
  if (face_s < calibration.minimum_face_s) logits[kVideo] = logits[kSync] = logits[kDesync] = std::nullopt;
  if (evidence.speech_s < calibration.minimum_speech_s) {
    logits[kAudio] = logits[kSync] = logits[kDesync] = std::nullopt;
  }
  verdict.overall = Probability(OverallLogit(logits, calibration));
  const bool too_short = evidence.end_index - evidence.first_index < spec::window::minimum_frames;
  if (too_short) {
    verdict.overall = std::nullopt;
    logits = {};
  }
  SetHeads(evidence, primary, logits, calibration, &verdict);
  if (too_short) {
    for (HeadVerdict& head : verdict.heads) head.reasons = {"too_short"};
    verdict.reasons = {"too_short"};
  } else {
    SetLabel(evidence, calibration, &verdict);
  }
  SetTracks(evidence, primary, calibration, &verdict);
  SetQuality(evidence, primary, &verdict);
  SetOffset(windows, calibration, &verdict);
  if (!too_short) BuildTimeline(windows, logits, calibration, evidence.first_index, evidence.end_index, &verdict);
  return verdict;
}

std::array<float, 2 * kLags + 1> LagSimilarity(const float* lips, const float* voice, int dims, int frames) {
  const auto norms = [&](const float* values) {
    std::vector<float> norm(static_cast<size_t>(frames));
    for (int t = 0; t < frames; ++t) {
      float sum = 1e-12f;
      for (int d = 0; d < dims; ++d) sum += values[d * frames + t] * values[d * frames + t];
      norm[static_cast<size_t>(t)] = std::sqrt(sum);
    }
    return norm;
  };
  const auto lip_norm = norms(lips), voice_norm = norms(voice);
  std::array<float, 2 * kLags + 1> mean{};
  for (int lag = -kLags; lag <= kLags; ++lag) {
    float sum = 0;
    int count = 0;
    for (int t = std::max(0, -lag); t < frames && t + lag < frames; ++t, ++count) {
      float dot = 0;
      for (int d = 0; d < dims; ++d) dot += lips[d * frames + t] * voice[d * frames + t + lag];
      sum += dot / (lip_norm[static_cast<size_t>(t)] * voice_norm[static_cast<size_t>(t + lag)]);
    }
    if (count > 0) mean[static_cast<size_t>(lag + kLags)] = sum / static_cast<float>(count);
  }
  return mean;
}

}  // namespace avg
