// SPDX-License-Identifier: Apache-2.0
// The shipped manifest on an engine of the host's that computes next to nothing: what is tested is all that lies around
// the networks, thousands of clips a minute, and where no engine is built in. It sees a face in every picture whose
// middle is bright.
#pragma once
#include <algorithm>
#include <cstring>

#include "bundle.h"
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
    // Two thirds of the side, level, the eyes in their places: the next picture's region is the same one.
    for (int i = 0; i < 468; ++i) {
      out[3 * i] = static_cast<float>(32 + i * 37 % 129);
      out[3 * i + 1] = static_cast<float>(32 + i * 53 % 129);
      out[3 * i + 2] = 0;
    }
    constexpr int kEyes[4] = {33, 133, 362, 263};
    constexpr float kColumns[4] = {60, 80, 112, 132};
    for (int k = 0; k < 4; ++k) {
      out[3 * kEyes[k]] = kColumns[k];
      out[3 * kEyes[k] + 1] = 76;
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

// Puts `content` in the place of a file, which the manifest then vouches for.
inline void Put(Bundle* bundle, const char* name, const std::string& content) {
  auto& old = bundle->bytes[name];
  Replace(&bundle->bytes["manifest.json"], avg::Sha256Hex(old.data(), old.size()),
          avg::Sha256Hex(content.data(), content.size()));
  old.assign(content.begin(), content.end());
}

// The joint network answers zeros, and the self-test expects them. No program is read by this engine.
inline Bundle SmallBundle() {
  Bundle bundle;
  Put(&bundle, "self_test.json", R"({"logits":{"joint_float":[0,0,0,0],"joint_int8":[0,0,0,0]}})");
  for (const char* name : {"face_detector.pte", "face_mesh.pte", "joint_int8.pte", "joint_fp32.pte"}) {
    Put(&bundle, name, std::string("no program, but its place: ") + name);
  }
  Replace(&bundle.bytes["manifest.json"], "\"executorch\": \"1.5\"", "\"quick\": \"1\"");
  return bundle;
}

inline avg_engine Engine() {
  avg_engine engine{};
  engine.struct_size = sizeof engine;
  engine.name = "quick";
  engine.version = "1";
  engine.load = Load;
  engine.run = Run;
  engine.close = Close;
  return engine;
}

// Null when the bundle is not there.
inline avg_model* Open() {
  static Bundle bundle = SmallBundle();
  const avg_engine engine = Engine();
  return bundle.Open(nullptr, nullptr, &engine);
}

}  // namespace quick_engine
