// SPDX-License-Identifier: Apache-2.0
// The shipped bundle on an engine of the host's that computes next to nothing: the session around the networks is what
// is fuzzed, thousands of clips a minute. It sees a face in every picture whose first pixel is bright.
#pragma once
#include <algorithm>

#include "../tests/bundle.h"
#include "model/sha256.h"

namespace quick_engine {

inline char kinds[3] = {'d', 'm', 'j'};  // detector, mesh, joint

inline avg_status Load(void*, const char* role, const avg_file*, avg_tensor*, size_t, avg_tensor*, size_t,
                       void** network) {
  *network = &kinds[std::strcmp(role, "face_detector") == 0 ? 0 : std::strcmp(role, "face_mesh") == 0 ? 1 : 2];
  return AVG_OK;
}

inline avg_status Run(void* network, const avg_tensor* inputs, const avg_tensor* outputs) {
  const auto* in = static_cast<const float*>(inputs[0].data);
  auto* out = static_cast<float*>(outputs[0].data);
  if (*static_cast<char*>(network) == 'd') {
    constexpr size_t kAnchor = 272;  // in the middle
    constexpr float kFace[16] = {0, 0, 50, 50, -12, -8, 12, -8, 0, 0, 0, 12, -24, -4, 24, -4};
    std::copy(kFace, kFace + 16, out + 16 * kAnchor);
    std::fill_n(static_cast<float*>(outputs[1].data), 896, -20.0f);
    static_cast<float*>(outputs[1].data)[kAnchor] = in[64 * 128 + 64] > 0 ? 9.0f : -20.0f;
  } else if (*static_cast<char*>(network) == 'm') {
    for (int i = 0; i < 468; ++i) {
      out[3 * i] = static_cast<float>(40 + i * 37 % 112);
      out[3 * i + 1] = static_cast<float>(40 + i * 53 % 112);
      out[3 * i + 2] = 0;
    }
    *static_cast<float*>(outputs[1].data) = in[96 * 192 + 96] > 0 ? 9.0f : -9.0f;
  }
  return AVG_OK;
}

inline void Close(void*) {}

inline void Replace(std::vector<char>* bytes, const std::string& from, const std::string& to) {
  std::string text(bytes->begin(), bytes->end());
  if (const size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  bytes->assign(text.begin(), text.end());
}

// The joint network answers zeros, and the self-test expects them. Null when the bundle is not there.
inline avg_model* Open() {
  static Bundle bundle;
  const std::string golden = R"({"logits":{"joint_float":[0,0,0,0],"joint_int8":[0,0,0,0]}})";
  auto& old = bundle.bytes["self_test.json"];
  Replace(&bundle.bytes["manifest.json"], avg::Sha256Hex(old.data(), old.size()),
          avg::Sha256Hex(golden.data(), golden.size()));
  Replace(&bundle.bytes["manifest.json"], "\"executorch\": \"1.5\"", "\"quick\": \"1\"");
  old.assign(golden.begin(), golden.end());
  avg_engine engine{};
  engine.struct_size = sizeof engine;
  engine.name = "quick";
  engine.version = "1";
  engine.load = Load;
  engine.run = Run;
  engine.close = Close;
  return bundle.Open(nullptr, nullptr, &engine);
}

}  // namespace quick_engine
