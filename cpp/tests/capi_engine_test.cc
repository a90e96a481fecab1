// SPDX-License-Identifier: Apache-2.0
// A host's engine that fails: at every load and every run, with any status, with numbers that are none, by calling
// back.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "check.h"
#include "quick_engine.h"

namespace {

constexpr int kNever = -1;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the engine does wrong, and what was asked of it.
struct Faults {
  int fail_load = kNever, fail_run = kNever;  // the nth from here on
  avg_status answer = AVG_ENGINE_ERROR;
  bool throws = false;
  float poison = 0;  // written all over the outputs
  avg_tensor tensor{};
  bool changes_tensor = false;
  avg_session* calls_back = nullptr;
  int busy = 0;
  int loads = 0, runs = 0, closes = 0;
};
Faults faults;

avg_status Load(void* context, const char* role, const avg_file* program, avg_tensor* inputs, size_t input_count,
                avg_tensor* outputs, size_t output_count, void** network) {
  if (faults.fail_load-- == 0) {
    *network = &faults;  // a failed load made none, whatever it wrote
    return faults.answer;
  }
  ++faults.loads;
  if (faults.changes_tensor) {
    inputs[0].type = faults.tensor.type;
    inputs[0].scale = faults.tensor.scale;
    inputs[0].zero_point = faults.tensor.zero_point;
  }
  return quick_engine::Load(context, role, program, inputs, input_count, outputs, output_count, network);
}

size_t SizeOf(const avg_tensor& tensor) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor.rank; ++i) count *= static_cast<size_t>(tensor.shape[i]);
  return count;
}

// Every function of a session that a call is inside of.
void CallBack(avg_session* session) {
  avg_event event{};
  avg_verdict verdict{};
  avg_face face{};
  size_t count = 77;
  int64_t t_us = 88;
  const avg_status answers[] = {avg_session_push_frame(session, nullptr),
                                avg_session_push_audio(session, nullptr),
                                avg_session_poll(session, &event),
                                avg_session_faces(session, &face, 1, &count, &t_us),
                                avg_session_warn(session, "inside"),
                                avg_session_finish(session, &verdict),
                                avg_session_json(session, nullptr, 0, &count),
                                avg_session_reset(session),
                                avg_session_close(session)};
  for (const avg_status answer : answers) faults.busy += answer == AVG_BUSY ? 1 : 0;
  CHECK(count == 77 && t_us == 88 && verdict.struct_size == 0 && event.struct_size == 0);
}

avg_status Run(void* network, const avg_tensor* inputs, const avg_tensor* outputs) {
  ++faults.runs;
  const bool fails = faults.fail_run-- == 0;
  if (fails && faults.throws) throw std::runtime_error("an engine in C++");
  if (fails) return faults.answer;
  if (faults.calls_back != nullptr) CallBack(std::exchange(faults.calls_back, nullptr));
  const avg_status status = quick_engine::Run(network, inputs, outputs);
  if (faults.poison == 0) return status;
  const char kind = *static_cast<char*>(network);
  const size_t count = kind == 'j' ? 4 : 2;
  // The scores of the detector and the flag of the mesh stay, or no face would be followed.
  for (size_t i = 0; i < count && (kind == 'j' || i == 0); ++i) {
    std::fill_n(static_cast<float*>(outputs[i].data), SizeOf(outputs[i]), faults.poison);
  }
  return status;
}

void Close(void*) { ++faults.closes; }

avg_engine Faulty() {
  avg_engine engine = quick_engine::Engine();
  engine.load = Load;
  engine.run = Run;
  engine.close = Close;
  return engine;
}

avg_model* OpenFaulty(avg_status* status = nullptr, std::string* message = nullptr) {
  static Bundle bundle = quick_engine::SmallBundle();
  const avg_engine engine = Faulty();
  return bundle.Open(status, message, &engine);
}

// 2 seconds, a window, of a bright picture and of a tone; stops at the first status that is not AVG_OK.
avg_status PushClip(avg_session* session) {
  static const std::vector<uint8_t> pixels(160 * 120, 200);
  std::vector<float> samples(640);
  for (int64_t k = 0; k < 50; ++k) {
    const avg_frame frame = Grey(pixels, 160, 120, k * 40'000);
    avg_status status = avg_session_push_frame(session, &frame);
    if (status != AVG_OK) return status;
    for (size_t i = 0; i < samples.size(); ++i)
      samples[i] = static_cast<float>(0.2 * std::sin(0.2 * static_cast<double>(i)) * (k / 6 % 2));
    const avg_audio audio = Sound(samples, k * 40'000);
    status = avg_session_push_audio(session, &audio);
    if (status != AVG_OK) return status;
  }
  return AVG_OK;
}

avg_status Finish(avg_session* session, avg_verdict* verdict) {
  std::memset(verdict, 0x5a, sizeof *verdict);
  verdict->struct_size = sizeof *verdict;
  return avg_session_finish(session, verdict);
}

std::string JudgeClip(HeldSession* held) {
  avg_verdict verdict;
  CHECK(PushClip(held->session) == AVG_OK && Finish(held->session, &verdict) == AVG_OK);
  return held->Json();
}

// Opens, sizes and makes a session with the `nth` load failing. How far it came; outputs stay as they were.
avg_status LoadWithFault(int nth, avg_status answer) {
  faults = {};
  faults.fail_load = nth;
  faults.answer = answer;
  avg_status status;
  std::string message;
  avg_model* model = OpenFaulty(&status, &message);
  if (status != AVG_OK) {
    CHECK(model == nullptr && message.size() > 10);
    return status;
  }
  const avg_session_options options = SmallOptions();
  auto* const poison = reinterpret_cast<avg_session*>(uintptr_t{0x5a});
  avg_session* session = poison;
  size_t size = 77;
  status = avg_session_size(model, &options, &size);
  CHECK(status == AVG_OK || size == 77);
  std::vector<char> block(status == AVG_OK ? size : 0);
  if (status == AVG_OK) status = avg_session_init(block.data(), size, model, &options, &session);
  CHECK((status == AVG_OK) == (session != poison));
  if (status == AVG_OK) CHECK(avg_session_close(session) == AVG_OK);
  avg_model_close(&model);
  return status;
}

}  // namespace

TEST(AnEngineThatFailsAtAnyLoadIsAStatus) {
  for (const avg_status answer : {AVG_ENGINE_ERROR, AVG_NO_EVENT, AVG_NO_MEMORY, AVG_UNSUPPORTED, AVG_INTERNAL,
                                  static_cast<avg_status>(13)}) {  // no status
    int nth = 0;
    for (; nth < 20; ++nth) {
      const avg_status status = LoadWithFault(nth, answer);
      CHECK(faults.closes == faults.loads);
      if (status == AVG_OK) break;
      CHECK(status == AVG_ENGINE_ERROR);
    }
    CHECK(nth == 7);  // the self-test, and three networks each in size and in init
  }
}

TEST(TensorsThatMakeNoSenseAreAnEngineError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const avg_tensor kTensors[] = {
      {"", 2, 0, {}, 1, 0, nullptr},          {"", -1, 0, {}, 1, 0, nullptr},
      {"", AVG_INT8, 0, {}, 0, 0, nullptr},   {"", AVG_INT8, 0, {}, -1, 0, nullptr},
      {"", AVG_INT8, 0, {}, nan, 0, nullptr}, {"", AVG_INT8, 0, {}, kInfinity, 0, nullptr},
      {"", AVG_INT8, 0, {}, 1, 128, nullptr}, {"", AVG_INT8, 0, {}, 1, std::numeric_limits<int32_t>::min(), nullptr}};
  for (const avg_tensor& tensor : kTensors) {
    faults = {};
    faults.changes_tensor = true;
    faults.tensor = tensor;
    avg_status status;
    CHECK(OpenFaulty(&status) == nullptr && status == AVG_ENGINE_ERROR);
    CHECK(faults.closes == faults.loads);
  }
}

TEST(AnEngineThatFailsAtAnyRunBreaksTheClipAlone) {
  faults = {};
  avg_model* model = OpenFaulty();
  HeldSession held(SmallOptions(), model);
  CHECK(held.status == AVG_OK);
  faults.runs = 0;
  const std::string expected = JudgeClip(&held);
  CHECK(expected.find("\"video\":0.") != std::string::npos && faults.runs > 30);
  const int runs = faults.runs;
  avg_verdict verdict;
  for (int nth = 0; nth < runs; ++nth) {
    CHECK(avg_session_reset(held.session) == AVG_OK);
    faults.fail_run = nth;
    const avg_status pushed = PushClip(held.session);
    CHECK(pushed == AVG_OK || pushed == AVG_ENGINE_ERROR);
    if (pushed != AVG_OK) CHECK(std::strlen(avg_session_error(held.session)) > 10);
    if (pushed != AVG_OK) CHECK(PushClip(held.session) == AVG_ENGINE_ERROR);
    CHECK(Finish(held.session, &verdict) == AVG_ENGINE_ERROR && verdict.label == 0x5a5a5a5a);
    CHECK(held.Json().empty() && Finish(held.session, &verdict) == AVG_WRONG_ORDER);
  }
  for (const int nth : {0, runs / 2, runs - 1}) {
    CHECK(avg_session_reset(held.session) == AVG_OK);
    faults.throws = true;
    faults.fail_run = nth;
    const avg_status pushed = PushClip(held.session);
    CHECK(pushed == AVG_INTERNAL || (pushed == AVG_OK && Finish(held.session, &verdict) == AVG_INTERNAL));
  }
  faults.fail_run = kNever;
  CHECK(avg_session_reset(held.session) == AVG_OK && JudgeClip(&held) == expected);
  avg_model_close(&model);
}

TEST(NumbersThatAreNoneStayOutOfTheVerdict) {
  faults = {};
  avg_model* model = OpenFaulty();
  HeldSession held(SmallOptions(), model);
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity,
                             std::numeric_limits<float>::max(), -1e30f, 1e-40f}) {
    CHECK(avg_session_reset(held.session) == AVG_OK);
    faults.poison = poison;
    CHECK(PushClip(held.session) == AVG_OK);
    avg_verdict verdict;
    CHECK(Finish(held.session, &verdict) == AVG_OK);
    CHECK(verdict.label >= AVG_REAL && verdict.label <= AVG_INCONCLUSIVE);
    for (const avg_head_verdict& head : verdict.heads) {
      CHECK(std::isnan(head.score) || (head.score >= 0 && head.score <= 1));
    }
    const std::string json = held.Json();
    CHECK(json.size() > 100 && json.find("nan") == std::string::npos && json.find("inf") == std::string::npos);
  }
  faults = {};
  avg_model_close(&model);
}

TEST(ACallFromInsideACallIsBusy) {
  faults = {};
  avg_model* model = OpenFaulty();
  HeldSession held(SmallOptions(), model);
  const std::string expected = JudgeClip(&held);
  CHECK(avg_session_reset(held.session) == AVG_OK);
  faults.calls_back = held.session;
  CHECK(JudgeClip(&held) == expected && faults.busy == 9);
  avg_model_close(&model);
}

TEST(EngineTablesThatMakeNoSenseAreRefused) {
  Bundle bundle = quick_engine::SmallBundle();
  const auto refused = [&](void (*spoil)(avg_engine*), avg_status expected) {
    avg_engine engine = quick_engine::Engine();
    spoil(&engine);
    avg_status status;
    std::string message;
    CHECK(bundle.Open(&status, &message, &engine) == nullptr && status == expected && message.size() > 10);
  };
  refused([](auto* e) { e->struct_size = 0; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->struct_size = sizeof *e - 1; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->struct_size = SIZE_MAX; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->name = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->version = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->load = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->run = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->close = nullptr; }, AVG_INVALID_ARGUMENT);
  refused([](auto* e) { e->name = "slow"; }, AVG_MODEL_ERROR);
  refused([](auto* e) { e->version = "2"; }, AVG_MODEL_ERROR);
  refused([](auto* e) { e->version = ""; }, AVG_MODEL_ERROR);
  struct Later {
    avg_engine known;
    int64_t later;
  } later{quick_engine::Engine(), 1};
  later.known.struct_size = sizeof later;
  avg_status status;
  CHECK(bundle.Open(&status, nullptr, &later.known) == nullptr && status == AVG_UNSUPPORTED);
}
