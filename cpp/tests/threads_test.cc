// SPDX-License-Identifier: Apache-2.0
// What the header allows several threads to do at once. Built with -DAVG_SANITIZE=thread these are the tests that run.
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "check.h"
#include "quick_engine.h"

namespace {

constexpr size_t kThreads = 4;

template <typename Work>
void InThreads(Work work) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back([=] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

// A clip of 2.2 s: a buzz that differs by `voice`, and a picture in which the engine looks for faces.
std::string Judge(avg_session* session, size_t voice) {
  const std::vector<uint8_t> pixels(64 * 48, 200);
  std::vector<float> samples(640);
  for (int64_t k = 0; k < 55; ++k) {
    for (size_t i = 0; i < samples.size(); ++i) {
      const double t = static_cast<double>(k * 640 + static_cast<int64_t>(i)) / 16000;
      samples[i] = static_cast<float>(k / 9 % 2 == 0 ? 0 : 0.3 * std::sin(900.0 * static_cast<double>(voice + 1) * t));
    }
    const avg_audio audio = Sound(samples, k * 40'000);
    if (avg_session_push_audio(session, &audio) != AVG_OK) return "";
    const avg_frame frame = Grey(pixels, 64, 48, k * 40'000);
    if (k % 6 == 0 && avg_session_push_frame(session, &frame) != AVG_OK) return "";
  }
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  if (avg_session_finish(session, &verdict) != AVG_OK) return "";
  std::string json(1 << 16, '\0');
  size_t length = 0;
  if (avg_session_json(session, json.data(), json.size(), &length) != AVG_OK) return "";
  json.resize(length);
  return json;
}

std::string JudgeAlone(avg_model* model, size_t voice) {
  HeldSession held(SmallOptions(), model);
  return held.status == AVG_OK ? Judge(held.session, voice) : "";
}

// Sessions of one model in several threads give what they give one after the other.
void ShareModel(avg_model* model) {
  std::vector<std::string> alone(kThreads), together(kThreads);
  for (size_t i = 0; i < kThreads; ++i) alone[i] = JudgeAlone(model, i);
  InThreads([&](size_t i) { together[i] = JudgeAlone(model, i); });
  for (const std::string& json : alone) CHECK(!json.empty());
  CHECK(together == alone && alone[0] != alone[1]);
}

}  // namespace

TEST(ThreadsShareAModel) { ShareModel(SharedModel()); }

TEST(ThreadsShareAHostsEngine) {
  Bundle bundle = quick_engine::SmallBundle();
  const avg_engine engine = quick_engine::Engine();
  avg_model* model = bundle.Open(nullptr, nullptr, &engine);
  ShareModel(model);
  avg_model_close(&model);
}

TEST(ThreadsOpenAndCloseModels) {
  static const Bundle bundle = quick_engine::SmallBundle();
  InThreads([](size_t i) {
    const avg_engine engine = quick_engine::Engine();
    Bundle own = bundle;
    for (int round = 0; round < 3; ++round) {
      avg_model* model = own.Open(nullptr, nullptr, &engine);
      HeldSession held(SmallOptions(), model);
      avg_model_close(&model);  // the session keeps what it needs
      CHECK(held.status == AVG_OK && !Judge(held.session, i).empty());
    }
  });
}

#ifndef AVG_TEST_QUICK_ENGINE
TEST(ThreadsOpenTheShippedModelWhileItRuns) {
  avg_model* running = SharedModel();
  const std::string expected = JudgeAlone(running, 1);
  InThreads([&](size_t i) {
    if (i > 1) {
      CHECK(JudgeAlone(running, 1) == expected);
      return;
    }
    Bundle bundle;
    avg_model* model = bundle.Open();
    CHECK(model != nullptr);
    avg_model_close(&model);
  });
}
#endif

TEST(ThreadsOnOneSessionAreToldThatItIsBusy) {
  HeldSession held(SmallOptions());
  std::atomic<int> fine{0}, busy{0};
  InThreads([&](size_t) {
    const std::vector<float> samples(64, 0.1f);
    const avg_audio audio = Sound(samples, 0);
    avg_event event{};
    event.struct_size = sizeof event;
    for (int k = 0; k < 2000; ++k) {
      const avg_status pushed = avg_session_push_audio(held.session, &audio);
      const avg_status polled = avg_session_poll(held.session, &event);
      fine += (pushed == AVG_OK ? 1 : 0) + (polled == AVG_NO_EVENT ? 1 : 0);
      busy += (pushed == AVG_BUSY ? 1 : 0) + (polled == AVG_BUSY ? 1 : 0);
    }
  });
  CHECK(fine + busy == 2 * 2000 * static_cast<int>(kThreads) && fine > 0);
}
