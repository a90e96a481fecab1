// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <algorithm>
#include <cmath>

#include "decide/timeline.h"
#include "elementary.h"

namespace avg {
namespace {

constexpr double kPeriodS = spec::video::period_us * 1e-6;

// Mean of the judged windows' logits, drawn towards the worst one by peak_weight, then calibrated.
std::optional<double> ClipLogit(const Selection& windows, size_t head, const Calibration& calibration) {
  double sum = 0, peak = -1e30;
  int64_t count = 0;
  windows.ForEach([&](const WindowScore& window) {
    if (!window.Judged(head)) return;
    sum += window.logits[head];
    peak = std::max<double>(peak, window.logits[head]);
    ++count;
  });
  if (count == 0) return std::nullopt;
  const double raw = (1 - calibration.peak_weight) * sum / static_cast<double>(count) + calibration.peak_weight * peak;
  return calibration.scale[head] * raw + calibration.bias[head];
}

double Weight(const TrackFacts& track) {
  const double size = track.eye_distance_sum / std::max<int64_t>(track.frames, 1);
  return static_cast<double>(track.frames) * std::sqrt(size) * (1.0 + track.Speaking());
}

const TrackFacts* Primary(const Evidence& evidence) {
  const TrackFacts* best = nullptr;
  for (size_t i = 0; i < evidence.track_count; ++i) {
    const TrackFacts& track = evidence.tracks[i];
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

uint32_t MissingVideo(const Evidence& evidence, const TrackFacts* primary) {
  if (!evidence.expects_video) return AVG_REASON_NO_VIDEO;
  if (primary == nullptr) return evidence.small_faces > 0 ? AVG_REASON_FACE_TOO_SMALL : AVG_REASON_NO_FACE;
  return AVG_REASON_FACE_TOO_SHORT;
}

uint32_t MissingAudio(const Evidence& evidence) {
  return evidence.expects_audio ? AVG_REASON_NO_SPEECH : AVG_REASON_NO_AUDIO;
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
  logit += mix.either * Log((1 - bounded) / bounded);
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
      if (said.label == Label::kInconclusive) said.reasons = AVG_REASON_UNCERTAIN;
      continue;
    }
    if (head != kAudio && !logits[kVideo]) said.reasons = MissingVideo(evidence, primary);
    if (head != kVideo && !logits[kAudio]) said.reasons |= MissingAudio(evidence);
  }
}

void SetLabel(const Evidence& evidence, const Calibration& calibration, Verdict* verdict) {
  verdict->label = LabelOf(verdict->overall, calibration.fake_above, calibration.real_below);
  verdict->reasons =
      (verdict->heads[kVideo].reasons | verdict->heads[kAudio].reasons) & ~uint32_t{AVG_REASON_UNCERTAIN};
  if (verdict->overall && verdict->label == Label::kInconclusive) verdict->reasons |= AVG_REASON_UNCERTAIN;
  // A clip whose picture or sound is there but could not be judged must not be called real on the other half alone.
  const bool blind = (evidence.expects_video && !verdict->heads[kVideo].score) ||
                     (evidence.expects_audio && !verdict->heads[kAudio].score && !verdict->heads[kVideo].score);
  if (blind && verdict->label == Label::kReal) verdict->label = Label::kInconclusive;
}

void SetOffset(const TrackFacts* primary, const Calibration& calibration, Verdict* verdict) {
  if (primary == nullptr || primary->spoken_windows == 0) return;
  std::array<double, 2 * kLags + 1> mean = primary->similarity_sum;
  for (double& value : mean) value /= static_cast<double>(primary->spoken_windows);
  std::array<double, 2 * kLags + 1> sorted = mean;
  std::sort(sorted.begin(), sorted.end());
  const auto peak = static_cast<size_t>(std::max_element(mean.begin(), mean.end()) - mean.begin());
  verdict->offset_contrast = mean[peak] - sorted[kLags];
  if (verdict->offset_contrast < calibration.offset_contrast) return;
  double lag = static_cast<double>(peak) - kLags;
  if (peak > 0 && peak + 1 < mean.size()) {
    const double left = mean[peak - 1], right = mean[peak + 1], curve = left - 2 * mean[peak] + right;
    if (curve < 0) lag += 0.5 * (left - right) / curve;
  }
  verdict->offset_ms = lag * spec::video::period_us / 1000.0;
}

Status SetTracks(const Evidence& evidence, const TrackFacts* primary, const Calibration& calibration,
                 Verdict* verdict) {
  if (!HasRoom(verdict->tracks, evidence.track_count)) return Status::kLimit;
  for (size_t i = 0; i < evidence.track_count; ++i) {
    const TrackFacts& track = evidence.tracks[i];
    const Selection windows{evidence, track.id, false};
    const auto probability = [&](size_t head) { return OrNan(Probability(ClipLogit(windows, head, calibration))); };
    avg_track said{};
    said.id = track.id;
    said.primary = &track == primary ? 1 : 0;
    said.start_us = track.first_index * spec::video::period_us;
    said.end_us = (track.last_index + 1) * spec::video::period_us;
    said.face_s = static_cast<double>(track.frames) * kPeriodS;
    said.speaking = track.Speaking();
    said.face_px = track.eye_distance_sum / static_cast<double>(std::max<int64_t>(track.frames, 1));
    said.video = probability(kVideo);
    said.sync = probability(kSync);
    said.desync = probability(kDesync);
    if (said.primary == 0 && said.video >= calibration.head_fake_above[kVideo]) {
      verdict->warnings.Add("another face than the speaker's looks manipulated");
    }
    verdict->tracks.push_back(said);
  }
  return Status::kOk;
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

double Sigmoid(double logit) { return 1 / (1 + Exp(-logit)); }

bool Selection::Has(size_t i) const {
  const WindowScore* windows = evidence.windows;
  if (windows[i].track == track) return true;
  if (!and_sound_alone || windows[i].track != -1) return false;
  // Windows of one time lie side by side.
  const auto same_time = [&](size_t k) { return windows[k].first_index == windows[i].first_index; };
  for (size_t k = i; k-- > 0 && same_time(k);) {
    if (windows[k].track == track) return false;
  }
  for (size_t k = i + 1; k < evidence.window_count && same_time(k); ++k) {
    if (windows[k].track == track) return false;
  }
  return true;
}

Status Decide(const Evidence& evidence, const Calibration& calibration, Verdict* verdict) {
  const TrackFacts* primary = Primary(evidence);
  const Selection windows{evidence, primary == nullptr ? -1 : primary->id, true};
  PerHead<std::optional<double>> logits;
  for (size_t head = 0; head < kHeads; ++head) logits[head] = ClipLogit(windows, head, calibration);
  const double face_s = primary == nullptr ? 0 : static_cast<double>(primary->frames) * kPeriodS;
  if (face_s < calibration.minimum_face_s) logits[kVideo] = logits[kSync] = logits[kDesync] = std::nullopt;
  if (evidence.speech_s < calibration.minimum_speech_s) {
    logits[kAudio] = logits[kSync] = logits[kDesync] = std::nullopt;
  }
  verdict->overall = Probability(OverallLogit(logits, calibration));
  const bool too_short = evidence.end_index - evidence.first_index < spec::window::minimum_frames;
  if (too_short) {
    verdict->overall = std::nullopt;
    logits = {};
  }
  SetHeads(evidence, primary, logits, calibration, verdict);
  if (too_short) {
    for (HeadVerdict& head : verdict->heads) head.reasons = AVG_REASON_TOO_SHORT;
    verdict->reasons = AVG_REASON_TOO_SHORT;
  } else {
    SetLabel(evidence, calibration, verdict);
  }
  const Status status = SetTracks(evidence, primary, calibration, verdict);
  if (status != Status::kOk) return status;
  SetQuality(evidence, primary, verdict);
  SetOffset(primary, calibration, verdict);
  return too_short ? Status::kOk : BuildTimeline(windows, logits, calibration, verdict);
}

std::array<float, 2 * kLags + 1> LagSimilarity(const float* lips, const float* voice, int dims) {
  constexpr int kFrames = spec::window::frames;
  using Norms = std::array<float, kFrames>;
  const auto norms = [&](const float* values) {
    Norms norm;
    for (int t = 0; t < kFrames; ++t) {
      float sum = 1e-12f;
      for (int d = 0; d < dims; ++d) sum += values[d * kFrames + t] * values[d * kFrames + t];
      norm[static_cast<size_t>(t)] = std::sqrt(sum);
    }
    return norm;
  };
  const Norms lip_norm = norms(lips), voice_norm = norms(voice);
  std::array<float, 2 * kLags + 1> mean{};
  for (int lag = -kLags; lag <= kLags; ++lag) {
    float sum = 0;
    int count = 0;
    for (int t = std::max(0, -lag); t < kFrames && t + lag < kFrames; ++t, ++count) {
      float dot = 0;
      for (int d = 0; d < dims; ++d) dot += lips[d * kFrames + t] * voice[d * kFrames + t + lag];
      sum += dot / (lip_norm[static_cast<size_t>(t)] * voice_norm[static_cast<size_t>(t + lag)]);
    }
    if (count > 0) mean[static_cast<size_t>(lag + kLags)] = sum / static_cast<float>(count);
  }
  return mean;
}

}  // namespace avg
