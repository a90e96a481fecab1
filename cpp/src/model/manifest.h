// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "model/json_value.h"
#include "status.h"

namespace avg {

inline constexpr size_t kMaxManifestBytes = 64 * 1024;
inline constexpr size_t kMaxBundleFileBytes = 64 * 1024 * 1024;

// A checked manifest.json; the rules are those of avguard/models/manifest.py and store.py.
struct Manifest {
  std::string id, spec_hash, self_test, license_weights;
  std::map<std::string, std::string> runtime;   // name -> leading numbers of its version
  std::map<std::string, std::string> files;     // name -> sha256
  std::map<std::string, std::string> programs;  // role -> file name
  JsonValue calibration;                        // has every key, all numbers finite
  std::string unread;                           // keys that this version does not know, by comma
};

// kModel and a message when `text` is no manifest, or one of another format or spec.
Status ParseManifest(std::string_view text, Manifest* manifest, std::string* message);

// Whether `wanted` (of the manifest) is `here` or its leading numbers: 1.5 is served by 1.5.1.
bool ServesVersion(std::string_view wanted, std::string_view here);

}  // namespace avg
