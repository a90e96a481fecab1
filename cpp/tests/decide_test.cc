// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <string>
#include <vector>

#include "check.h"

namespace {

avg::Calibration Plain() {
  avg::Calibration calibration;
  calibration.both.either = 1;
  calibration.audio_only.weight[avg::kAudio] = 1;
  calibration.video_only.weight[avg::kVideo] = 1;
  return calibration;
}

avg::WindowScore Window(int64_t first, float video, float audio, bool face, bool speech) {
  avg::WindowScore score;
  score.first_index = first;
  score.track = face ? 0 : -1;
  score.face = face;
  score.speech = speech;
  score.logits = {video, audio, -4, -4};
  score.steps[avg::kVideo].fill(video);
  score.steps[avg::kAudio].fill(audio);
  score.steps[avg::kSync].fill(-4);
  score.steps[avg::kDesync].fill(-4);
  return score;
}

// Evidence with the lists that it points into.
struct Clip {
  explicit Clip(int64_t frames) {
    evidence.expects_video = evidence.expects_audio = true;
    evidence.end_index = frames;
    evidence.speech_s = 2;
    avg::TrackFacts track;
    track.frames = frames;
    track.last_index = frames - 1;
    track.eye_distance_sum = 40.0 * static_cast<double>(frames);
    tracks.push_back(track);
  }

  avg::Verdict Decide() {
    evidence.tracks = tracks.data();
    evidence.track_count = tracks.size();
    evidence.windows = windows.data();
    evidence.window_count = windows.size();
    avg::Verdict verdict(nullptr, 0, 0, 0);
    CHECK(avg::Decide(evidence, Plain(), &verdict) == avg::Status::kOk);
    return verdict;
  }

  avg::Evidence evidence;
  std::vector<avg::TrackFacts> tracks;
  std::vector<avg::WindowScore> windows;
};

}  // namespace

TEST(EitherStreamAloneMakesAClipFake) {
  for (const bool picture : {true, false}) {
    Clip clip(48);
    clip.windows.push_back(Window(0, picture ? 4.f : -4.f, picture ? -4.f : 4.f, true, true));
    const avg::Verdict verdict = clip.Decide();
    CHECK(verdict.label == avg::Label::kFake);
    CHECK(verdict.segments.size() == 1);
    CHECK(verdict.segments[0].head == (picture ? AVG_VIDEO : AVG_AUDIO));
    CHECK(verdict.segments[0].end_us == 48 * 40'000);
  }
}

TEST(NothingSeenIsInconclusiveWithReasons) {
  Clip clip(100);
  clip.tracks.clear();
  clip.evidence.speech_s = 0;
  const avg::Verdict verdict = clip.Decide();
  CHECK(verdict.label == avg::Label::kInconclusive);
  CHECK(!verdict.overall);
  CHECK(verdict.reasons == (AVG_REASON_NO_FACE | AVG_REASON_NO_SPEECH));
}

TEST(AFaceThatWasNotSeenIsNotCalledRealOnTheVoiceAlone) {
  Clip clip(100);
  clip.tracks.clear();
  clip.windows.push_back(Window(0, 0, -4, false, true));
  CHECK(clip.Decide().label == avg::Label::kInconclusive);
  clip.evidence.expects_video = false;
  CHECK(clip.Decide().label == avg::Label::kReal);
}

TEST(ShortClipsAreNotJudged) {
  Clip clip(10);
  clip.windows.push_back(Window(0, 9, 9, true, true));
  const avg::Verdict verdict = clip.Decide();
  CHECK(verdict.reasons == AVG_REASON_TOO_SHORT);
  CHECK(!verdict.overall && verdict.segments.empty());
}

TEST(TheSpeakingFaceIsThePrimaryOne) {
  Clip clip(100);
  clip.tracks.push_back(clip.tracks[0]);
  clip.tracks[1].id = 1;
  clip.tracks[1].motion_in_speech = 10;
  clip.tracks[1].speech_frames = 10;
  clip.tracks[1].silence_frames = 10;
  const avg::Verdict verdict = clip.Decide();
  CHECK(verdict.tracks[0].primary == 0 && verdict.tracks[1].primary == 1);
}

TEST(OffsetIsTheLagOfTheBestMatch) {
  constexpr int kDims = 4, kFrames = 48;
  std::vector<float> lips(kDims * kFrames), voice(kDims * kFrames);
  uint32_t state = 1;
  for (float& value : lips) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) / (1 << 23) - 1.0f;
  }
  for (int d = 0; d < kDims; ++d) {
    for (int t = 5; t < kFrames; ++t)
      voice[static_cast<size_t>(d * kFrames + t)] = lips[static_cast<size_t>(d * kFrames + t - 5)];
  }
  const auto similarity = avg::LagSimilarity(lips.data(), voice.data(), kDims);
  size_t best = 0;
  for (size_t i = 1; i < similarity.size(); ++i) best = similarity[i] > similarity[best] ? i : best;
  CHECK(best == avg::kLags + 5);
}

TEST(JsonEscapesWhatItIsGiven) {
  avg::Verdict verdict(nullptr, 0, 0, 0);
  verdict.warnings.Add("a \"quoted\" \\ line\nbreak");
  const avg::ModelCard card{"id\t", "licence", "engine"};
  std::string json(avg::WriteJson(verdict, card, nullptr, 0), ' ');
  CHECK(avg::WriteJson(verdict, card, json.data(), json.size()) == json.size());
  CHECK(json.find("a \\\"quoted\\\" \\\\ line\\u000abreak") != std::string::npos);
  CHECK(json.find("id\\u0009") != std::string::npos);
  std::string cut(20, '#');
  CHECK(avg::WriteJson(verdict, card, cut.data(), 10) == json.size());
  CHECK(cut == json.substr(0, 10) + "##########");
}
