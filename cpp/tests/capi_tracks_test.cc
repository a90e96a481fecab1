// SPDX-License-Identifier: Apache-2.0
// More faces in one clip than there is room for.
#include <cstring>

#include "bundle.h"
#include "capi.h"
#include "check.h"
#include "quick_engine.h"

namespace {

constexpr int32_t kWidth = 96, kHeight = 72;
constexpr int64_t kPeriodUs = 40'000, kApartUs = 6'000'000;

void Show(avg_session* session, int64_t* t_us, int frames, uint8_t brightness) {
  const std::vector<uint8_t> pixels(kWidth * kHeight, brightness);
  for (int k = 0; k < frames; ++k, *t_us += kPeriodUs) {
    const avg_frame frame = Grey(pixels, kWidth, kHeight, *t_us);
    CHECK(avg_session_push_frame(session, &frame) == AVG_OK);
  }
}

// How many faces the new events say have come; those that left are added to `lost`.
int Found(avg_session* session, int* lost) {
  avg_event event{};
  event.struct_size = sizeof event;
  int found = 0;
  while (avg_session_poll(session, &event) == AVG_OK) {
    found += event.kind == AVG_TRACK_FOUND ? 1 : 0;
    *lost += event.kind == AVG_TRACK_LOST ? 1 : 0;
  }
  return found;
}

}  // namespace

TEST(TheShortestFacesThatLeftMakeRoomAndAreCounted) {
  avg_model* model = quick_engine::Open();
  avg_session_options options = SmallOptions();
  options.no_audio = 1;
  options.max_duration_s = 60;
  HeldSession held(options, model);
  // Three instead of AVG_MAX_TRACKS, which would take hours under qemu.
  held.session->options.max_tracks = 3;
  CHECK(avg_session_reset(held.session) == AVG_OK);
  constexpr int kFrames[] = {4, 10, 2, 6, 8};
  int number = 0, found = 0, lost = 0;
  for (const int frames : kFrames) {
    int64_t t_us = number++ * kApartUs;
    Show(held.session, &t_us, frames, 200);
    Show(held.session, &t_us, 16, 0);
    found += Found(held.session, &lost);
  }
  CHECK(found == 5 && lost == 5);
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
  CHECK(verdict.track_count == 3);
  constexpr int kLongest[] = {1, 3, 4};
  for (size_t i = 0; i < verdict.track_count; ++i) {
    CHECK(verdict.tracks[i].end_us == kLongest[i] * kApartUs + kFrames[kLongest[i]] * kPeriodUs);
  }
  CHECK(verdict.warning_count == 1 && std::strncmp(verdict.warnings, "2 faces that were seen briefly", 30) == 0);
  avg_model_close(&model);
}
