// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

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

avg::Evidence Clip(int64_t frames) {
  avg::Evidence evidence;
  evidence.expects_video = evidence.expects_audio = true;
  evidence.end_index = frames;
  evidence.speech_s = 2;
  avg::TrackFacts track;
  track.frames = frames;
  track.last_index = frames - 1;
  track.eye_distance_sum = 40.0 * static_cast<double>(frames);
  evidence.tracks.push_back(track);
  return evidence;
}

}  // namespace

TEST(EitherStreamAloneMakesAClipFake) {
  for (const bool picture : {true, false}) {
    avg::Evidence evidence = Clip(48);
    evidence.windows.push_back(Window(0, picture ? 4.f : -4.f, picture ? -4.f : 4.f, true, true));
    const avg::Verdict verdict = avg::Decide(evidence, Plain());
    CHECK(verdict.label == avg::Label::kFake);
    CHECK(verdict.segments.size() == 1);
    CHECK(verdict.segments[0].head == (picture ? avg::kVideo : avg::kAudio));
    CHECK(verdict.segments[0].end_us == 48 * 40'000);
  }
}

TEST(NothingSeenIsInconclusiveWithReasons) {
  avg::Evidence evidence = Clip(100);
  evidence.tracks.clear();
  evidence.speech_s = 0;
  const avg::Verdict verdict = avg::Decide(evidence, Plain());
  CHECK(verdict.label == avg::Label::kInconclusive);
  CHECK(!verdict.overall);
  CHECK(verdict.reasons == (std::vector<std::string>{"no_face", "no_speech"}));
}

TEST(AFaceThatWasNotSeenIsNotCalledRealOnTheVoiceAlone) {
  avg::Evidence evidence = Clip(100);
  evidence.tracks.clear();
  evidence.windows.push_back(Window(0, 0, -4, false, true));
  CHECK(avg::Decide(evidence, Plain()).label == avg::Label::kInconclusive);
  evidence.expects_video = false;
  CHECK(avg::Decide(evidence, Plain()).label == avg::Label::kReal);
}

TEST(ShortClipsAreNotJudged) {
  avg::Evidence evidence = Clip(10);
  evidence.windows.push_back(Window(0, 9, 9, true, true));
  const avg::Verdict verdict = avg::Decide(evidence, Plain());
  CHECK(verdict.reasons == std::vector<std::string>{"too_short"});
  CHECK(!verdict.overall && verdict.segments.empty());
}

TEST(TheSpeakingFaceIsThePrimaryOne) {
  avg::Evidence evidence = Clip(100);
  evidence.tracks.push_back(evidence.tracks[0]);
  evidence.tracks[1].id = 1;
  evidence.tracks[1].motion_in_speech = 10;
  evidence.tracks[1].speech_frames = 10;
  evidence.tracks[1].silence_frames = 10;
  const avg::Verdict verdict = avg::Decide(evidence, Plain());
  CHECK(!verdict.tracks[0].primary && verdict.tracks[1].primary);
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
  const auto similarity = avg::LagSimilarity(lips.data(), voice.data(), kDims, kFrames);
  size_t best = 0;
  for (size_t i = 1; i < similarity.size(); ++i) best = similarity[i] > similarity[best] ? i : best;
  CHECK(best == avg::kLags + 5);
}

TEST(JsonEscapesWhatItIsGiven) {
  avg::Verdict verdict;
  verdict.warnings = {"a \"quoted\" \\ line\nbreak"};
  const std::string json = avg::ToJson(verdict, {"id\t", "licence", "engine"});
  CHECK(json.find("a \\\"quoted\\\" \\\\ line\\u000abreak") != std::string::npos);
  CHECK(json.find("id\\u0009") != std::string::npos);
}
