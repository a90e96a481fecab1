// SPDX-License-Identifier: Apache-2.0
#include "model/manifest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "avg_spec.h"

namespace avg {
namespace {

using Kind = JsonValue::Kind;
constexpr int kFormat = 1;
constexpr std::array<const char*, 11> kRequired = {
    "format",      "id",        "spec_hash",    "runtime",         "files",       "programs",
    "calibration", "self_test", "license_code", "license_weights", "license_data"};
// What a report or an evaluation reads, and no verdict depends on; Python checks it.
constexpr const char* kTrainedOn = "trained_on";
constexpr const char* kReliability = "reliability";
constexpr std::array<const char*, 6> kTexts = {"id",           "spec_hash",       "self_test",
                                               "license_code", "license_weights", "license_data"};
constexpr std::array<const char*, 2> kFaceRoles = {"face_detector", "face_mesh"};
constexpr std::array<const char*, 2> kJointRoles = {"joint_float", "joint_int8"};
constexpr std::array<const char*, 5> kPerHead = {"scale", "bias", "head_fake_above", "head_real_below",
                                                 "segment_above"};
constexpr std::array<const char*, 3> kMixes = {"both", "video_only", "audio_only"};
constexpr std::array<const char*, 6> kSingle = {"peak_weight",    "fake_above",       "real_below",
                                                "minimum_face_s", "minimum_speech_s", "offset_contrast"};

template <typename Names>
bool Has(const Names& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const char* other) { return name == other; });
}

// Exactly these members, each once.
template <typename Names>
bool HasExactly(const JsonValue& value, const Names& names) {
  if (!value.is(Kind::kObject) || value.members.size() != names.size()) return false;
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return value.Find(name) != nullptr; });
}

Status Refuse(std::string said, std::string* message) {
  *message = std::move(said);
  return Status::kModel;
}

bool Finite(const JsonValue& value) { return value.is(Kind::kNumber) && std::isfinite(value.number); }

bool AllFinite(const JsonValue& value) {
  return std::all_of(value.members.begin(), value.members.end(), [](const auto& m) { return Finite(m.second); });
}

// The first name in the calibration that is not as it must be; empty when all is well.
std::string CalibrationFault(const JsonValue& raw) {
  constexpr size_t kKeys = kPerHead.size() + kMixes.size() + kSingle.size();
  const size_t more = raw.Find(kReliability) == nullptr ? 0 : 1;
  if (!raw.is(Kind::kObject) || raw.members.size() != kKeys + more) return "calibration";
  for (const char* name : kSingle) {
    const JsonValue* value = raw.Find(name);
    if (value == nullptr || !Finite(*value)) return std::string("calibration.") + name;
  }
  for (const char* name : kPerHead) {
    const JsonValue* group = raw.Find(name);
    if (group == nullptr || !HasExactly(*group, spec::heads) || !AllFinite(*group)) {
      return std::string("calibration.") + name;
    }
  }
  constexpr std::array<const char*, 3> kMixKeys = {"bias", "either", "weight"};
  for (const char* name : kMixes) {
    const JsonValue* mix = raw.Find(name);
    if (mix == nullptr || !HasExactly(*mix, kMixKeys) || !Finite(*mix->Find("bias")) || !Finite(*mix->Find("either")) ||
        !HasExactly(*mix->Find("weight"), spec::heads) || !AllFinite(*mix->Find("weight"))) {
      return std::string("calibration.") + name;
    }
  }
  return "";
}

bool PlainName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

bool ReadTexts(const JsonValue& raw, std::map<std::string, std::string>* texts) {
  if (!raw.is(Kind::kObject)) return false;
  for (const auto& [name, value] : raw.members) {
    if (!value.is(Kind::kText)) return false;
    (*texts)[name] = value.text;
  }
  return true;
}

Status CheckKeys(const JsonValue& raw, std::string* message) {
  for (const char* key : kRequired) {
    if (raw.Find(key) == nullptr) {
      return Refuse(std::string("manifest.json lacks ") + key + ". Export the bundle again.", message);
    }
  }
  const JsonValue* format = raw.Find("format");
  if (!format->is(Kind::kNumber) || format->number != kFormat) {
    return Refuse("manifest.json has another format than this version reads. Update avguard.", message);
  }
  for (const char* key : kTexts) {
    if (!raw.Find(key)->is(Kind::kText)) {
      return Refuse(std::string("manifest.json: ") + key + " must be a string. Export the bundle again.", message);
    }
  }
  return Status::kOk;
}

// What a later release may know. A change that this one must not pass over gets another format.
std::string UnreadKeys(const JsonValue& raw) {
  std::set<std::string> keys;
  for (const auto& [key, value] : raw.members) {
    if (!Has(kRequired, key) && key != kTrainedOn) keys.insert(key);
  }
  std::string names;
  for (const std::string& key : keys) names += (names.empty() ? "" : ", ") + key;
  return names;
}

Status CheckNames(const Manifest& manifest, std::string* message) {
  for (const auto& [name, digest] : manifest.files) {
    if (!PlainName(name)) return Refuse("manifest.json names a file that is not a plain name: " + name, message);
  }
  const auto has = [&](const char* role) {
    const auto found = manifest.programs.find(role);
    return found != manifest.programs.end() && manifest.files.count(found->second) > 0;
  };
  for (const char* role : kFaceRoles) {
    if (!has(role)) {
      return Refuse("bundle " + manifest.id + " has no file for " + role + ". Export the bundle again.", message);
    }
  }
  // One precision is enough: a page ships no second joint program.
  for (const char* role : kJointRoles) {
    if (!has(role) && (manifest.programs.count(role) > 0 || !has(kJointRoles[role == kJointRoles[0]]))) {
      return Refuse("bundle " + manifest.id + " has no file for " + role + ". Export the bundle again.", message);
    }
  }
  if (manifest.files.count(manifest.self_test) == 0) {
    return Refuse("bundle " + manifest.id + " has no self-test vectors. Export the bundle again.", message);
  }
  return Status::kOk;
}

}  // namespace

Status ParseManifest(std::string_view text, Manifest* manifest, std::string* message) {
  if (text.size() > kMaxManifestBytes) {
    return Refuse("manifest.json is larger than 65536 bytes, so it is not one of ours. Reinstall the bundle.", message);
  }
  JsonValue raw;
  if (!ParseJson(text, &raw)) return Refuse("manifest.json is not valid JSON. Reinstall the bundle.", message);
  if (!raw.is(Kind::kObject)) return Refuse("manifest.json must hold an object. Reinstall the bundle.", message);
  Status status = CheckKeys(raw, message);
  if (status != Status::kOk) return status;
  for (const auto& [key, texts] :
       {std::pair("files", &manifest->files), {"programs", &manifest->programs}, {"runtime", &manifest->runtime}}) {
    if (!ReadTexts(*raw.Find(key), texts)) {
      return Refuse(std::string("manifest.json: ") + key + " must map names to strings. Export the bundle again.",
                    message);
    }
  }
  manifest->id = raw.Find("id")->text;
  manifest->spec_hash = raw.Find("spec_hash")->text;
  manifest->self_test = raw.Find("self_test")->text;
  manifest->license_weights = raw.Find("license_weights")->text;
  manifest->unread = UnreadKeys(raw);
  if (manifest->spec_hash != spec::hash) {
    return Refuse("bundle " + manifest->id + " was made for spec " + manifest->spec_hash + ", this build needs " +
                      spec::hash + ". Use a bundle exported by this version of avguard.",
                  message);
  }
  manifest->calibration = *raw.Find("calibration");
  const std::string fault = CalibrationFault(manifest->calibration);
  if (!fault.empty()) {
    return Refuse("manifest.json: " + fault + " lacks keys, has unknown ones or no finite number.", message);
  }
  return CheckNames(*manifest, message);
}

bool ServesVersion(std::string_view wanted, std::string_view here) {
  return here.substr(0, wanted.size()) == wanted && (here.size() == wanted.size() || here[wanted.size()] == '.');
}

}  // namespace avg
