// SPDX-License-Identifier: Apache-2.0
// Every function of avguard.h times every bad argument; outputs are poisoned beforehand and must stay so.
#include <cmath>
#include <cstring>
#include <limits>

#include "bundle.h"
#include "check.h"

namespace {

const std::vector<uint8_t> kPixels(64 * 48, 128);

template <typename T>
T Poisoned() {
  T value;
  std::memset(&value, 0x5a, sizeof value);
  value.struct_size = sizeof value;
  return value;
}

template <typename T>
bool Untouched(const T& value) {
  const T poisoned = Poisoned<T>();
  return std::memcmp(&value, &poisoned, sizeof value) == 0;
}

}  // namespace

TEST(StatusesHaveTexts) {
  CHECK(avg_abi_version() == AVG_ABI_VERSION);
  CHECK(std::strlen(avg_version()) >= 5);
  for (int status = -1; status < 14; ++status) CHECK(std::strlen(avg_status_text(static_cast<avg_status>(status))) > 3);
}

TEST(ModelOpenRefusesBadArguments) {
  Bundle bundle;
  auto files = bundle.Files();
  avg_model* const poison = reinterpret_cast<avg_model*>(uintptr_t{0x5a});
  avg_model* model = poison;
  avg_model_options options{};
  options.struct_size = sizeof options;
  const auto open = [&](const avg_file* from, size_t count) { return avg_model_open(from, count, &options, &model); };
  CHECK(avg_model_open(files.data(), files.size(), &options, nullptr) == AVG_INVALID_ARGUMENT);
  CHECK(open(nullptr, files.size()) == AVG_INVALID_ARGUMENT);
  CHECK(open(files.data(), 0) == AVG_INVALID_ARGUMENT);
  CHECK(open(files.data(), size_t{1} << 40) == AVG_LIMIT);
  for (const size_t size : {size_t{0}, sizeof options - 1, size_t{1} << 30}) {
    options.struct_size = size;
    CHECK(open(files.data(), files.size()) == AVG_INVALID_ARGUMENT);
  }
  options.struct_size = sizeof options;
  for (const int32_t precision : {-1, 3, std::numeric_limits<int32_t>::max()}) {
    options.precision = precision;
    CHECK(open(files.data(), files.size()) == AVG_INVALID_ARGUMENT);
  }
  options.precision = 0;
  avg_engine engine{};
  engine.struct_size = sizeof engine;
  options.engine = &engine;
  CHECK(open(files.data(), files.size()) == AVG_INVALID_ARGUMENT);
  options.engine = nullptr;
  files[0].name = nullptr;
  CHECK(open(files.data(), files.size()) == AVG_INVALID_ARGUMENT);
  files = bundle.Files();
  files[1].data = nullptr;
  CHECK(open(files.data(), files.size()) == AVG_INVALID_ARGUMENT);
  CHECK(model == poison);
  model = nullptr;
  avg_model_close(&model);
  avg_model_close(nullptr);
}

TEST(MembersOfALaterVersionMustBeZero) {
  struct Later {
    avg_session_options known;
    int64_t later;
  } options{};
  options.known = SmallOptions();
  options.known.struct_size = sizeof options;
  size_t size = 0;
  CHECK(avg_session_size(SharedModel(), &options.known, &size) == AVG_OK && size > 0);
  options.later = 1;
  CHECK(avg_session_size(SharedModel(), &options.known, &size) == AVG_UNSUPPORTED);
}

TEST(SessionSizeAndInitRefuseBadArguments) {
  avg_model* model = SharedModel();
  size_t size = 77;
  CHECK(avg_session_size(nullptr, nullptr, &size) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_size(model, nullptr, nullptr) == AVG_INVALID_ARGUMENT);
  const auto refused = [&](void (*spoil)(avg_session_options*), avg_status expected) {
    avg_session_options options = SmallOptions();
    spoil(&options);
    CHECK(avg_session_size(model, &options, &size) == expected);
    char block[64];
    avg_session* session = nullptr;
    CHECK(avg_session_init(block, sizeof block, model, &options, &session) == expected && session == nullptr);
  };
  refused([](auto* o) { o->struct_size = 8; }, AVG_INVALID_ARGUMENT);
  refused([](auto* o) { o->max_duration_s = -1; }, AVG_INVALID_ARGUMENT);
  refused([](auto* o) { o->max_duration_s = 86401; }, AVG_LIMIT);
  refused([](auto* o) { o->max_faces = 5; }, AVG_LIMIT);
  refused([](auto* o) { o->max_events = 15; }, AVG_LIMIT);
  refused([](auto* o) { o->max_events = 65537; }, AVG_LIMIT);
  refused([](auto* o) { o->audio_rate_hz = 3999; }, AVG_LIMIT);
  refused([](auto* o) { o->max_frame_bytes = SIZE_MAX; }, AVG_LIMIT);
  CHECK(size == 77);
  char block[4096];
  avg_session* session = nullptr;
  CHECK(avg_session_init(nullptr, 1 << 20, model, nullptr, &session) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_init(block, sizeof block, nullptr, nullptr, &session) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_init(block, sizeof block, model, nullptr, nullptr) == AVG_INVALID_ARGUMENT);
  CHECK(session == nullptr);
}

TEST(ABlockThatIsTooSmallIsRefusedAtEverySize) {
  const avg_session_options options = SmallOptions();
  size_t size = 0;
  CHECK(avg_session_size(SharedModel(), &options, &size) == AVG_OK);
  const size_t parts = kEmulated ? 2 : 11;
  for (size_t part = 0; part <= parts; ++part) {
    const size_t small = part < parts ? size / parts * part : size - 65;
    void* block = std::malloc(small + 1);
    avg_session* session = nullptr;
    CHECK(avg_session_init(block, small, SharedModel(), &options, &session) == AVG_NO_MEMORY);
    CHECK(session == nullptr);
    std::free(block);
  }
}

TEST(FramesThatMakeNoSenseAreRefused) {
  HeldSession held(SmallOptions());
  CHECK(held.status == AVG_OK);
  const auto refused = [&](void (*spoil)(avg_frame*), avg_status expected) {
    avg_frame frame = Grey(kPixels, 64, 48, 0);
    spoil(&frame);
    CHECK(avg_session_push_frame(held.session, &frame) == expected);
    CHECK(std::strlen(avg_session_error(held.session)) > 10);
  };
  CHECK(avg_session_push_frame(held.session, nullptr) == AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->struct_size = 0; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->format = -1; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->format = 7; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->matrix = 3; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->rotation_deg = 45; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->rotation_deg = -90; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->width = 0; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->height = std::numeric_limits<int32_t>::max(); }, AVG_LIMIT);
  refused([](auto* f) { f->width = f->height = f->stride[0] = 16384; }, AVG_LIMIT);
  refused([](auto* f) { f->plane[0] = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->format = AVG_NV12; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->stride[0] = 63; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->stride[0] = -64; }, AVG_INVALID_ARGUMENT);
  refused([](auto* f) { f->t_us = std::numeric_limits<int64_t>::max(); }, AVG_LIMIT);
  refused([](auto* f) { f->t_us = std::numeric_limits<int64_t>::min(); }, AVG_LIMIT);
}

TEST(SoundThatMakesNoSenseIsRefused) {
  HeldSession held(SmallOptions());
  static const std::vector<float> samples(160, 0.1f);
  const auto refused = [&](void (*spoil)(avg_audio*), avg_status expected) {
    avg_audio audio = Sound(samples, 0);
    spoil(&audio);
    CHECK(avg_session_push_audio(held.session, &audio) == expected);
  };
  CHECK(avg_session_push_audio(held.session, nullptr) == AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->struct_size = 9; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->format = 2; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->channels = 0; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->channels = 17; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->samples = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->samples = reinterpret_cast<const char*>(samples.data()) + 1; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->count = SIZE_MAX; }, AVG_INVALID_ARGUMENT);
  refused([](auto* a) { a->count = size_t{1} << 40; }, AVG_LIMIT);
  refused([](auto* a) { a->t_us = std::numeric_limits<int64_t>::min(); }, AVG_LIMIT);
  for (const int32_t rate : {std::numeric_limits<int32_t>::min(), -1, 0, 3999, 192001}) {
    const avg_audio audio = Sound(samples, 0, rate);
    CHECK(avg_session_push_audio(held.session, &audio) == AVG_INVALID_ARGUMENT);
  }
  avg_audio audio = Sound(samples, 0);
  CHECK(avg_session_push_audio(held.session, &audio) == AVG_OK);
  audio = Sound(samples, 10'000, 48000);
  CHECK(avg_session_push_audio(held.session, &audio) == AVG_INVALID_ARGUMENT);
}

TEST(OutputsStayPoisonedUntilThereIsSomething) {
  HeldSession held(SmallOptions());
  auto event = Poisoned<avg_event>();
  auto verdict = Poisoned<avg_verdict>();
  CHECK(avg_session_poll(held.session, &event) == AVG_NO_EVENT && Untouched(event));
  CHECK(avg_session_poll(held.session, nullptr) == AVG_INVALID_ARGUMENT);
  event.struct_size = 3;
  CHECK(avg_session_poll(held.session, &event) == AVG_INVALID_ARGUMENT);
  avg_face face = {1, 2, 3, 4, 5};
  size_t faces = 77;
  int64_t t_us = 88;
  CHECK(avg_session_faces(held.session, &face, 1, nullptr, &t_us) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_faces(held.session, &face, 1, &faces, nullptr) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_faces(held.session, nullptr, 1, &faces, &t_us) == AVG_INVALID_ARGUMENT);
  CHECK(faces == 77 && t_us == 88);
  CHECK(avg_session_faces(held.session, &face, 1, &faces, &t_us) == AVG_OK && faces == 0 && face.track == 5);
  size_t length = 99;
  char json[4] = "abc";
  CHECK(avg_session_json(held.session, json, sizeof json, &length) == AVG_WRONG_ORDER);
  CHECK(length == 99 && std::strcmp(json, "abc") == 0);
  CHECK(avg_session_finish(held.session, nullptr) == AVG_INVALID_ARGUMENT);
  verdict.struct_size = 8;
  CHECK(avg_session_finish(held.session, &verdict) == AVG_INVALID_ARGUMENT);
  verdict.struct_size = sizeof verdict;
  CHECK(Untouched(verdict));
  CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
  CHECK(verdict.label == AVG_INCONCLUSIVE && verdict.reasons == AVG_REASON_TOO_SHORT && std::isnan(verdict.overall));
  verdict = Poisoned<avg_verdict>();
  CHECK(avg_session_finish(held.session, &verdict) == AVG_WRONG_ORDER && Untouched(verdict));
  CHECK(avg_session_json(held.session, nullptr, 8, &length) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_json(held.session, json, sizeof json, nullptr) == AVG_INVALID_ARGUMENT);
  CHECK(avg_session_json(held.session, json, sizeof json, &length) == AVG_LIMIT && length > 100);
  CHECK(std::strcmp(json, "abc") == 0);
}

TEST(CallsInTheWrongOrderAreNamed) {
  HeldSession held(SmallOptions());
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
  const std::vector<float> samples(160, 0.1f);
  const avg_frame frame = Grey(kPixels, 64, 48, 0);
  const avg_audio audio = Sound(samples, 0);
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_WRONG_ORDER);
  CHECK(avg_session_push_audio(held.session, &audio) == AVG_WRONG_ORDER);
  CHECK(avg_session_warn(held.session, "late") == AVG_WRONG_ORDER);
  CHECK(std::strstr(avg_session_error(held.session), "finish") != nullptr);
  CHECK(avg_session_reset(held.session) == AVG_OK && avg_session_error(held.session)[0] == '\0');
  CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
  CHECK(avg_session_warn(held.session, nullptr) == AVG_INVALID_ARGUMENT);
}

TEST(AClosedSessionSaysSo) {
  const avg_session_options options = SmallOptions();
  size_t size = 0;
  avg_session_size(SharedModel(), &options, &size);
  std::vector<char> block(size);
  avg_session* session = nullptr;
  CHECK(avg_session_init(block.data(), size, SharedModel(), &options, &session) == AVG_OK);
  CHECK(avg_session_close(session) == AVG_OK);
  auto event = Poisoned<avg_event>();
  auto verdict = Poisoned<avg_verdict>();
  size_t length = 0;
  const avg_frame frame = Grey(kPixels, 64, 48, 0);
  for (avg_session* gone : {session, static_cast<avg_session*>(nullptr)}) {
    const avg_status expected = gone == nullptr ? AVG_INVALID_ARGUMENT : AVG_CLOSED;
    CHECK(avg_session_close(gone) == expected && avg_session_reset(gone) == expected);
    CHECK(avg_session_push_frame(gone, &frame) == expected && avg_session_push_audio(gone, nullptr) == expected);
    CHECK(avg_session_warn(gone, "x") == expected && avg_session_poll(gone, &event) == expected);
    CHECK(avg_session_finish(gone, &verdict) == expected);
    CHECK(avg_session_faces(gone, nullptr, 0, &length, nullptr) == expected);
    CHECK(avg_session_json(gone, nullptr, 0, &length) == expected);
    CHECK(avg_session_error(gone)[0] == '\0');
  }
  CHECK(Untouched(event) && Untouched(verdict));
}
