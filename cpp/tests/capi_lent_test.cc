// SPDX-License-Identifier: Apache-2.0
// Frames that are lent to a session instead of copied.
#include <cstddef>

#include "bundle.h"
#include "check.h"
#include "quick_engine.h"

namespace {

constexpr int32_t kWidth = 96, kHeight = 72;
constexpr int kFrames = kEmulated ? 45 : 90;

struct Lent {
  std::vector<uint8_t> pixels = std::vector<uint8_t>(kWidth * kHeight);
  int released = 0;

  // Whoever still looks at it now sees something else.
  static void Release(void* owner) {
    auto* lent = static_cast<Lent*>(owner);
    ++lent->released;
    for (uint8_t& pixel : lent->pixels) pixel = static_cast<uint8_t>(255 - pixel);
  }

  avg_frame At(int64_t t_us) {
    avg_frame frame = Grey(pixels, kWidth, kHeight, t_us);
    frame.release = Release;
    frame.owner = this;
    return frame;
  }
};

// Every picture another; the face is gone for a while, and comes back.
void Draw(int number, std::vector<uint8_t>* pixels) {
  const bool dark = number > 15 && number < 19;
  for (size_t i = 0; i < pixels->size(); ++i) {
    (*pixels)[i] = static_cast<uint8_t>(dark ? i % 7 : 160 + (i * 31 + static_cast<size_t>(number) * 17) % 90);
  }
}

// At 25 a second, then twice as many, then a slide show.
int64_t TimeOf(int number) {
  if (number < 30) return number * 40'000;
  return 1'200'000 + (number < 60 ? (number - 30) * 20'000 : 600'000 + (number - 60) * 90'000);
}

avg_session_options Options(size_t max_frame_bytes) {
  avg_session_options options = SmallOptions();
  options.no_audio = 1;
  options.max_frame_bytes = max_frame_bytes;
  return options;
}

}  // namespace

TEST(LentFramesGiveTheVerdictOfCopiedOnes) {
  avg_model* model = quick_engine::Open();
  CHECK(model != nullptr);
  HeldSession copies(Options(kWidth * kHeight), model), lends(Options(64), model);
  std::vector<Lent> frames(kFrames);
  std::vector<uint8_t> pixels(kWidth * kHeight);
  int released = 0;
  for (int k = 0; k < kFrames; ++k) {
    Lent& lent = frames[static_cast<size_t>(k)];
    Draw(k, &pixels);
    lent.pixels = pixels;
    const avg_frame copied = Grey(pixels, kWidth, kHeight, TimeOf(k)), frame = lent.At(TimeOf(k));
    CHECK(avg_session_push_frame(copies.session, &copied) == AVG_OK);
    CHECK(avg_session_push_frame(lends.session, &frame) == AVG_OK);
    released = 0;
    for (const Lent& each : frames) released += each.released;
    CHECK(k + 1 - released >= 1 && k + 1 - released <= 2);
  }
  const std::string json = Finish(copies);
  CHECK(json == Finish(lends));
  CHECK(json.find("\"tracks\":[{") != std::string::npos);
  for (const Lent& each : frames) CHECK(each.released == 1);
  avg_model_close(&model);
}

TEST(ResetAndCloseGiveLentFramesBack) {
  avg_model* model = quick_engine::Open();
  Lent first, second;
  {
    HeldSession held(Options(64), model);
    avg_frame frame = first.At(0);
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
    CHECK(first.released == 0);
    CHECK(avg_session_reset(held.session) == AVG_OK);
    CHECK(first.released == 1);
    frame = second.At(0);
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  }
  CHECK(first.released == 1 && second.released == 1);
  avg_model_close(&model);
}

TEST(ARefusedFrameStaysItsOwners) {
  avg_model* model = quick_engine::Open();
  Lent refused;
  {
    HeldSession held(Options(64), model);
    avg_frame frame = refused.At(int64_t{30} * 3600 * 1'000'000);
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_LIMIT);
    frame = refused.At(0);
    frame.stride[0] = 1;
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_INVALID_ARGUMENT);
  }
  CHECK(refused.released == 0);
  avg_model_close(&model);
}

TEST(AFrameOfTheFirstHeaderIsCopied) {
  avg_model* model = quick_engine::Open();
  Lent old;
  {
    HeldSession held(Options(kWidth * kHeight), model);
    avg_frame frame = old.At(0);
    frame.struct_size = offsetof(avg_frame, release);
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
    frame.struct_size -= 1;
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_INVALID_ARGUMENT);
  }
  CHECK(old.released == 0);
  avg_model_close(&model);
}
