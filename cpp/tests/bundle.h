// SPDX-License-Identifier: Apache-2.0
// The shipped bundle in memory, and sessions on it, for tests of the C interface.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "avguard.h"
#include "check.h"

struct Bundle {
  std::map<std::string, std::vector<char>> bytes;

  Bundle() {
    for (const char* name : {"manifest.json", "self_test.json", "face_detector.pte", "face_mesh.pte", "joint_int8.pte",
                             "joint_fp32.pte"}) {
      // Not a stream: to the memory sanitizer what the C++ library, which has none, reads is never initialised.
      std::FILE* file = std::fopen((std::string(AVG_TEST_BUNDLE "/") + name).c_str(), "rb");
      auto& data = bytes[name];
      if (file == nullptr) continue;
      std::fseek(file, 0, SEEK_END);
      data.resize(static_cast<size_t>(std::ftell(file)));
      std::rewind(file);
      if (std::fread(data.data(), 1, data.size(), file) != data.size()) data.clear();
      std::fclose(file);
    }
  }

  std::vector<avg_file> Files() const {
    std::vector<avg_file> files;
    for (const auto& [name, data] : bytes) files.push_back({name.c_str(), data.data(), data.size()});
    return files;
  }

  // Null when it cannot be opened; then `message` says why.
  avg_model* Open(avg_status* status = nullptr, std::string* message = nullptr, const avg_engine* engine = nullptr) {
    char said[512] = "";
    avg_model_options options{};
    options.struct_size = sizeof options;
    options.engine = engine;
    options.message = said;
    options.message_size = sizeof said;
    avg_model* model = nullptr;
    const auto files = Files();
    const avg_status opened = avg_model_open(files.data(), files.size(), &options, &model);
    if (status != nullptr) *status = opened;
    if (message != nullptr) *message = said;
    return model;
  }
};

// A build without an engine is one that qemu runs, some thirty times slower.
#ifdef AVG_TEST_QUICK_ENGINE
inline constexpr bool kEmulated = true;
#else
inline constexpr bool kEmulated = false;
#endif

// Opened once for all tests: the shipped bundle, or the quick engine's in a build without an engine.
avg_model* SharedModel();

inline avg_session_options SmallOptions() {
  avg_session_options options{};
  options.struct_size = sizeof options;
  options.max_duration_s = 20;
  options.max_faces = 1;
  options.max_events = 64;
  options.max_frame_bytes = 320 * 240 * 3 / 2;
  // Room for any rate is found by designing the largest filter.
  if (kEmulated) options.audio_rate_hz = 16000;
  return options;
}

// A session in a block of exactly the size that was asked for, so that a sanitizer sees every step beyond it.
class HeldSession {
 public:
  explicit HeldSession(const avg_session_options& options, avg_model* model = SharedModel()) {
    status = avg_session_size(model, &options, &size);
    if (status != AVG_OK) return;
    block_ = std::malloc(size);
    status = avg_session_init(block_, size, model, &options, &session);
  }
  ~HeldSession() {
    if (session != nullptr) avg_session_close(session);
    std::free(block_);
  }
  HeldSession(const HeldSession&) = delete;
  HeldSession& operator=(const HeldSession&) = delete;

  std::string Json() const {
    size_t length = 0;
    if (avg_session_json(session, nullptr, 0, &length) != AVG_OK) return "";
    std::string json(length + 1, '\0');
    avg_session_json(session, json.data(), json.size(), &length);
    json.resize(length);
    return json;
  }

  avg_status status = AVG_INTERNAL;
  size_t size = 0;
  avg_session* session = nullptr;

 private:
  void* block_ = nullptr;
};

// Ends the session; its verdict as JSON.
inline std::string Finish(const HeldSession& held) {
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
  return held.Json();
}

inline avg_audio Sound(const std::vector<float>& samples, int64_t t_us, int32_t rate_hz = 16000) {
  avg_audio audio{};
  audio.struct_size = sizeof audio;
  audio.t_us = t_us;
  audio.format = AVG_F32;
  audio.channels = 1;
  audio.rate_hz = rate_hz;
  audio.samples = samples.data();
  audio.count = samples.size();
  return audio;
}

inline avg_frame Grey(const std::vector<uint8_t>& pixels, int32_t width, int32_t height, int64_t t_us) {
  avg_frame frame{};
  frame.struct_size = sizeof frame;
  frame.t_us = t_us;
  frame.format = AVG_GRAY8;
  frame.width = width;
  frame.height = height;
  frame.plane[0] = pixels.data();
  frame.stride[0] = width;
  return frame;
}
