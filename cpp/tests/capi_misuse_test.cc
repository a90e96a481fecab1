// SPDX-License-Identifier: Apache-2.0
// What a host may do wrong in time: sessions that never were, closed twice, made anew, and streams that run backwards.
#include <cmath>
#include <cstring>
#include <limits>

#include "bundle.h"
#include "check.h"

namespace {

const std::vector<uint8_t> kPixels(64 * 48, 30);

// Every function on `session` answers `expected`, and writes nothing.
void AllAnswer(avg_session* session, avg_status expected) {
  avg_event event{}, no_event{};
  avg_verdict verdict{}, no_verdict{};
  event.struct_size = no_event.struct_size = sizeof event;
  verdict.struct_size = no_verdict.struct_size = sizeof verdict;
  avg_face face = {1, 2, 3, 4, 5};
  size_t count = 77;
  int64_t t_us = 88;
  char json[4] = "abc";
  const std::vector<float> samples(160, 0.1f);
  const avg_frame frame = Grey(kPixels, 64, 48, 0);
  const avg_audio audio = Sound(samples, 0);
  CHECK(avg_session_push_frame(session, &frame) == expected && avg_session_push_audio(session, &audio) == expected);
  CHECK(avg_session_poll(session, &event) == expected && avg_session_warn(session, "x") == expected);
  CHECK(avg_session_faces(session, &face, 1, &count, &t_us) == expected);
  CHECK(avg_session_finish(session, &verdict) == expected);
  CHECK(avg_session_json(session, json, sizeof json, &count) == expected);
  CHECK(avg_session_reset(session) == expected && avg_session_close(session) == expected);
  CHECK(count == 77 && t_us == 88 && face.track == 5 && std::strcmp(json, "abc") == 0);
  CHECK(std::memcmp(&event, &no_event, sizeof event) == 0 && std::memcmp(&verdict, &no_verdict, sizeof verdict) == 0);
}

}  // namespace

TEST(MemoryThatNeverHeldASessionSaysClosed) {
  alignas(64) static char zeros[4096];
  alignas(64) static char noise[4096];
  std::memset(noise, 0x5a, sizeof noise);
  AllAnswer(reinterpret_cast<avg_session*>(zeros), AVG_CLOSED);
  AllAnswer(reinterpret_cast<avg_session*>(noise), AVG_CLOSED);
}

TEST(AFailedInitLeavesItsOutputAndSaysClosed) {
  const avg_session_options options = SmallOptions();
  size_t size = 0;
  CHECK(avg_session_size(SharedModel(), &options, &size) == AVG_OK);
  std::vector<char> block(size + 64);
  char* front = block.data() + (64 - reinterpret_cast<uintptr_t>(block.data()) % 64) % 64;
  avg_session* const poison = reinterpret_cast<avg_session*>(uintptr_t{0x5a});
  avg_session* session = poison;
  CHECK(avg_session_init(front, size / 2, SharedModel(), &options, &session) == AVG_NO_MEMORY && session == poison);
  CHECK(avg_session_init(front, 0, SharedModel(), &options, &session) == AVG_NO_MEMORY && session == poison);
  CHECK(avg_session_init(nullptr, size, SharedModel(), &options, &session) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_init(front, size, nullptr, &options, &session) == AVG_INVALID_ARGUMENT && session == poison);
  AllAnswer(reinterpret_cast<avg_session*>(front), AVG_CLOSED);
  // Any alignment will do.
  CHECK(avg_session_init(front + 1, size, SharedModel(), &options, &session) == AVG_OK && session != poison);
  CHECK(avg_session_close(session) == AVG_OK);
}

TEST(ClosedTwiceOrMadeAnewInTheSameMemory) {
  const avg_session_options options = SmallOptions();
  size_t size = 0;
  CHECK(avg_session_size(SharedModel(), &options, &size) == AVG_OK);
  std::vector<char> block(size);
  for (int round = 0; round < 3; ++round) {
    avg_session* session = nullptr;
    CHECK(avg_session_init(block.data(), size, SharedModel(), &options, &session) == AVG_OK);
    CHECK(avg_session_reset(session) == AVG_OK && avg_session_reset(session) == AVG_OK);
    const avg_frame frame = Grey(kPixels, 64, 48, 0);
    CHECK(avg_session_push_frame(session, &frame) == AVG_OK);
    CHECK(avg_session_close(session) == AVG_OK && avg_session_close(session) == AVG_CLOSED);
    AllAnswer(session, AVG_CLOSED);
    CHECK(avg_session_error(session)[0] == '\0');
  }
  CHECK(avg_session_error(nullptr)[0] == '\0');
}

TEST(SoundThatIsNoNumberIsCountedAndJudgedAsSilence) {
  avg_session_options options = SmallOptions();
  options.no_video = 1;
  HeldSession held(options), silent(options);
  std::vector<float> samples(32000, 0.0f);
  avg_audio audio = Sound(samples, 0);
  CHECK(avg_session_push_audio(silent.session, &audio) == AVG_OK);
  for (const float none : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity()}) {
    samples[samples.size() / 3] = samples.back() = samples[0] = none;
    CHECK(avg_session_reset(held.session) == AVG_OK && avg_session_push_audio(held.session, &audio) == AVG_OK);
    const std::string json = Finish(held);
    CHECK(json.find("3 samples were not finite numbers") != std::string::npos);
    CHECK(json.find("nan") == std::string::npos && json.find("inf\"") == std::string::npos);
  }
  // Loud beyond all measure, but finite.
  std::fill(samples.begin(), samples.end(), std::numeric_limits<float>::max());
  CHECK(avg_session_reset(held.session) == AVG_OK && avg_session_push_audio(held.session, &audio) == AVG_OK);
  CHECK(Finish(held).find("nan") == std::string::npos);
  CHECK(Finish(silent).find("not finite") == std::string::npos);
}

TEST(TimesThatRunBackwardsAreRepairedAndTold) {
  HeldSession held(SmallOptions());
  const std::vector<float> samples(1600, 0.1f);
  for (const int64_t t_us : {int64_t{0}, int64_t{100'000}, int64_t{0}, int64_t{-5'000'000}, int64_t{300'000}}) {
    const avg_audio audio = Sound(samples, t_us);
    const avg_frame frame = Grey(kPixels, 64, 48, t_us);
    CHECK(avg_session_push_audio(held.session, &audio) == AVG_OK);
    CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  }
  for (const int64_t t_us : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    const avg_audio audio = Sound(samples, t_us);
    CHECK(avg_session_push_audio(held.session, &audio) == AVG_LIMIT);
  }
  const std::string json = Finish(held);
  CHECK(json.find("\"duration_s\":0.4") != std::string::npos);
  CHECK(json.find("2 video timestamps") != std::string::npos && json.find("2 overlaps") != std::string::npos);
}

TEST(NothingIsFineWhereNothingIsGiven) {
  HeldSession held(SmallOptions());
  avg_audio audio = Sound({}, 0);
  audio.samples = nullptr;
  CHECK(avg_session_push_audio(held.session, &audio) == AVG_OK);
  size_t count = 77;
  int64_t t_us = 88;
  CHECK(avg_session_faces(held.session, nullptr, 0, &count, &t_us) == AVG_OK && count == 0);
  CHECK(avg_session_warn(held.session, "") == AVG_OK);
  CHECK(avg_session_warn(held.session, "\xff\xfe no text") == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_warn(held.session, "\xc3") == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_warn(held.session, "\xed\xa0\x80") == AVG_INVALID_ARGUMENT);  // a surrogate
  CHECK(avg_session_warn(held.session, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == AVG_OK);
  const std::string json = Finish(held);
  CHECK(json.find("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") != std::string::npos);
}

TEST(AnEventOfALaterVersionIsFilledWithZeros) {
  struct Later {
    avg_event known;
    int64_t later;
  } event{};
  HeldSession held(SmallOptions());
  event.known.struct_size = sizeof event;
  event.later = 5;
  CHECK(avg_session_poll(held.session, &event.known) == AVG_NO_EVENT && event.later == 5);
  event.known.struct_size = SIZE_MAX;
  CHECK(avg_session_poll(held.session, &event.known) == AVG_INVALID_ARGUMENT);
  struct {
    avg_verdict known;
    int64_t later;
  } verdict{};
  verdict.known.struct_size = sizeof verdict;
  verdict.later = 5;
  CHECK(avg_session_finish(held.session, &verdict.known) == AVG_OK);
  CHECK(verdict.later == 0 && verdict.known.struct_size == sizeof verdict);
}
