// SPDX-License-Identifier: Apache-2.0
// Sessions through the C interface: the same bits however they are used, and what happens at the limits.
#include <algorithm>
#include <cmath>
#include <memory>

#include "bundle.h"
#include "check.h"
#include "decide/live.h"
#include "decide/timeline.h"

namespace {

// Bursts of a buzz, which the gate takes for speech.
std::vector<float> Voice(double seconds, int32_t rate_hz = 16000, double pitch_hz = 130) {
  std::vector<float> samples(static_cast<size_t>(seconds * rate_hz));
  for (size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / rate_hz;
    double buzz = 0;
    for (int k = 1; k < 8; ++k) buzz += std::sin(6.283185307 * pitch_hz * k * t) / k;
    samples[i] = static_cast<float>(std::sin(6.283185307 * 1.7 * t) > 0 ? 0.1 * buzz : 0.0);
  }
  return samples;
}

avg_session_options SoundOnly() {
  avg_session_options options = SmallOptions();
  options.no_video = 1;
  options.max_frame_bytes = 64;
  return options;
}

void PushAll(HeldSession* held, const std::vector<float>& samples, size_t piece) {
  for (size_t at = 0; at < samples.size(); at += piece) {
    const std::vector<float> part(samples.begin() + static_cast<ptrdiff_t>(at),
                                  samples.begin() + static_cast<ptrdiff_t>(std::min(at + piece, samples.size())));
    const avg_audio audio = Sound(part, static_cast<int64_t>(at) * 1'000'000 / 16000);
    CHECK(avg_session_push_audio(held->session, &audio) == AVG_OK);
  }
}

avg_event NoEvent() {
  avg_event event{};
  event.struct_size = sizeof event;
  return event;
}

}  // namespace

TEST(AResetSessionIsLikeANewOne) {
  const auto voice = Voice(3), other = Voice(4, 16000, 210);
  HeldSession fresh(SoundOnly()), used(SoundOnly());
  PushAll(&fresh, voice, 16000);
  const std::string expected = Finish(fresh);
  CHECK(expected.find("\"audio\":0.") != std::string::npos);
  PushAll(&used, other, 1000);
  CHECK(avg_session_reset(used.session) == AVG_OK);
  PushAll(&used, voice, 777);
  CHECK(Finish(used) == expected);
  CHECK(avg_session_reset(used.session) == AVG_OK);
  PushAll(&used, voice, 48000);
  CHECK(Finish(used) == expected);
}

TEST(InterleavedSessionsAreAsIfAlone) {
  constexpr size_t kSessions = kEmulated ? 4 : 32;
  std::vector<std::vector<float>> voices;
  std::vector<std::string> alone;
  std::vector<std::unique_ptr<HeldSession>> sessions;
  for (size_t i = 0; i < kSessions; ++i) {
    voices.push_back(Voice(2.2, 16000, 90 + 7.0 * static_cast<double>(i)));
    sessions.push_back(std::make_unique<HeldSession>(SoundOnly()));
    PushAll(sessions[i].get(), voices[i], 8000);
    alone.push_back(Finish(*sessions[i]));
    CHECK(avg_session_reset(sessions[i]->session) == AVG_OK);
  }
  const size_t piece = 4410;
  for (size_t at = 0; at < voices[0].size(); at += piece) {
    for (size_t i = 0; i < kSessions; ++i) {
      const std::vector<float> part(voices[i].begin() + static_cast<ptrdiff_t>(at),
                                    voices[i].begin() + static_cast<ptrdiff_t>(std::min(at + piece, voices[i].size())));
      const avg_audio audio = Sound(part, static_cast<int64_t>(at) * 1'000'000 / 16000);
      CHECK(avg_session_push_audio(sessions[i]->session, &audio) == AVG_OK);
    }
  }
  bool same = true;
  for (size_t i = 0; i < kSessions; ++i) same = same && Finish(*sessions[i]) == alone[i];
  CHECK(same);
  CHECK(kEmulated || alone.front() != alone.back());  // the quick engine does not hear
}

TEST(IntegersAndSeveralChannelsAreTheSameSound) {
  const auto voice = Voice(2.5);
  std::vector<int16_t> mono(voice.size()), stereo(2 * voice.size());
  std::vector<float> exact(voice.size());
  for (size_t i = 0; i < voice.size(); ++i) {
    mono[i] = stereo[2 * i] = stereo[2 * i + 1] = static_cast<int16_t>(std::lround(voice[i] * 32768));
    exact[i] = static_cast<float>(mono[i]) / 32768.0f;
  }
  HeldSession a(SoundOnly()), b(SoundOnly()), c(SoundOnly());
  avg_audio audio = Sound(exact, 0);
  CHECK(avg_session_push_audio(a.session, &audio) == AVG_OK);
  audio.format = AVG_S16;
  audio.samples = mono.data();
  CHECK(avg_session_push_audio(b.session, &audio) == AVG_OK);
  audio.channels = 2;
  audio.samples = stereo.data();
  CHECK(avg_session_push_audio(c.session, &audio) == AVG_OK);
  const std::string expected = Finish(a);
  CHECK(Finish(b) == expected && Finish(c) == expected);
}

TEST(EveryRateHasRoomInTheBlock) {
  for (const int32_t rate : {48000, 142528, 4000, 11025, 44100, 96001, 192000}) {
    if (kEmulated && rate < 48000) break;
    for (const bool known : {false, true}) {
      avg_session_options options = SoundOnly();
      options.audio_rate_hz = known ? rate : 0;
      HeldSession held(options);
      const auto voice = Voice(1.0, rate);
      for (int64_t k = 0; k < 4; ++k) {
        const avg_audio audio = Sound(voice, k * 1'000'000, rate);
        CHECK(avg_session_push_audio(held.session, &audio) == AVG_OK);
      }
      CHECK(Finish(held).find("\"duration_s\":4.0") != std::string::npos);
    }
  }
}

TEST(AClipLongerThanItsLimitIsTold) {
  HeldSession held(SoundOnly());
  const auto voice = Voice(1);
  avg_audio audio = Sound(voice, 0);
  int64_t second = 0;
  for (; second < 30; ++second) {
    audio.t_us = second * 1'000'000;
    if (avg_session_push_audio(held.session, &audio) != AVG_OK) break;
  }
  CHECK(second == 20);
  audio.t_us = 3'000'000'000;
  CHECK(avg_session_push_audio(held.session, &audio) == AVG_LIMIT);
  CHECK(Finish(held).find("\"duration_s\":20.0") != std::string::npos);
}

TEST(FramesAndTimesAtTheLimits) {
  HeldSession held(SmallOptions());
  std::vector<uint8_t> large(321 * 240 * 3 / 2 + 1, 90);
  avg_frame frame = Grey(large, 321, 360, 0);
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_LIMIT);
  frame = Grey(large, 320, 360, 0);
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  // Backward times are repaired, far ahead ones refused, and both leave the session usable.
  for (const int64_t t_us : {40'000, 20'000, -50'000'000, 80'000}) {
    frame.t_us = t_us;
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  }
  frame.t_us = 21'000'000;
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_LIMIT);
  frame.t_us = 19'000'000;
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  CHECK(avg_session_warn(held.session, "twelve frames were dropped") == AVG_OK);
  CHECK(avg_session_warn(held.session, std::string(5000, 'x').c_str()) == AVG_LIMIT);
  const std::string json = Finish(held);
  CHECK(json.find("\"warnings\":[\"twelve frames were dropped\",\"2 video timestamps did not") != std::string::npos);
}

TEST(TheOldestEventsGoWhenNobodyPolls) {
  avg::EventQueue queue(nullptr, 16);
  avg_event event = NoEvent();
  CHECK(!queue.Take(&event));
  for (int i = 0; i < 40; ++i) queue.Add(avg::NewEvent(AVG_WINDOW_SCORED, i));
  CHECK(queue.Take(&event) && event.number == 24 && event.track == 24);
  while (queue.Take(&event)) {
  }
  CHECK(event.number == 39);
  queue.Change(38, 5, avg::kVideo, 0.5);  // not the newest
  CHECK(!queue.Take(&event));
  queue.Change(39, 7, avg::kVideo, 0.5);
  CHECK(queue.Take(&event) && event.number == 39 && event.end_us == 7);
}

TEST(LiveSegmentsAreThoseOfTheVerdict) {
  avg::Calibration calibration;
  calibration.segment_above = {0.6, 0.6, 0.6, 0.6};
  calibration.minimum_face_s = calibration.minimum_speech_s = 0;
  uint32_t state = 3;
  const auto random = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(state >> 8) / (1 << 24);
  };
  for (int turn = 0; turn < 20; ++turn) {
    const int count = 4 + turn % 5;
    std::vector<avg::WindowScore> windows(static_cast<size_t>(count));
    avg::EventQueue queue(nullptr, 512);
    avg::LiveSegments live(calibration, &queue);
    for (int i = 0; i < count; ++i) {
      avg::WindowScore& window = windows[static_cast<size_t>(i)];
      window.first_index = int64_t{i} * avg::spec::window::stride_frames;
      window.track = 0;
      window.face = window.speech = true;
      for (auto& steps : window.steps) {
        float level = random() < 0.5f ? -3.0f : 3.0f;
        for (float& step : steps) step = level = random() < 0.3f ? -level : level;
      }
      live.Add(window);
    }
    live.Finish();
    avg::Evidence evidence;
    evidence.end_index = (count + 1) * avg::spec::window::stride_frames;
    evidence.windows = windows.data();
    evidence.window_count = windows.size();
    avg::Verdict verdict(nullptr, 0, 0, 0);
    const avg::PerHead<std::optional<double>> judged{{0.0, 0.0, 0.0, 0.0}};
    CHECK(avg::BuildTimeline({evidence, 0, true}, judged, calibration, &verdict) == avg::Status::kOk);
    std::vector<avg_segment> told;
    int opened = 0;
    avg_event event = NoEvent();
    while (queue.Take(&event)) {
      opened += event.kind == AVG_SEGMENT_OPENED ? 1 : 0;
      if (event.kind != AVG_SEGMENT_CLOSED) continue;
      CHECK(event.track == (event.head == AVG_AUDIO ? -1 : 0));
      told.push_back({event.start_us, event.end_us, event.scores[event.head], event.head});
    }
    CHECK(opened == static_cast<int>(told.size()));
    std::stable_sort(told.begin(), told.end(), [](const auto& a, const auto& b) { return a.head < b.head; });
    CHECK(told.size() == verdict.segments.size());
    for (size_t i = 0; i < std::min(told.size(), verdict.segments.size()); ++i) {
      CHECK(told[i].start_us == verdict.segments[i].start_us && told[i].end_us == verdict.segments[i].end_us);
      CHECK(std::abs(told[i].score - verdict.segments[i].score) < 1e-9);
    }
  }
}
