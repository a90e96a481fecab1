// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "avg_spec.h"
#include "model/manifest.h"
#include "model/seal.h"
#include "model/sha256.h"
#include "programs.h"

namespace avg {
namespace {

using Kind = JsonValue::Kind;

constexpr const char* kManifestName = "manifest.json";
constexpr double kFloatTolerance = 0.01, kInt8Tolerance = 0.6;  // logits

Status Refuse(std::string said, std::string* message) {
  *message = std::move(said);
  return Status::kModel;
}

const avg_file* FindFile(const avg_file* files, size_t count, std::string_view name) {
  const avg_file* end = files + count;
  const avg_file* found = std::find_if(files, end, [&](const avg_file& file) { return name == file.name; });
  return found == end ? nullptr : found;
}

std::string_view TextOf(const avg_file& file) { return {static_cast<const char*>(file.data), file.size}; }

PerHead<double> HeadNumbers(const JsonValue& group) {
  PerHead<double> values{};
  for (size_t head = 0; head < kHeads; ++head) values[head] = group.Find(spec::heads[head])->number;
  return values;
}

Calibration::Mix MixOf(const JsonValue& raw) {
  return {raw.Find("bias")->number, raw.Find("either")->number, HeadNumbers(*raw.Find("weight"))};
}

Calibration CalibrationOf(const JsonValue& raw) {
  Calibration calibration;
  const auto number = [&](const char* name) { return raw.Find(name)->number; };
  const auto heads = [&](const char* name) { return HeadNumbers(*raw.Find(name)); };
  calibration.scale = heads("scale");
  calibration.bias = heads("bias");
  calibration.peak_weight = number("peak_weight");
  calibration.both = MixOf(*raw.Find("both"));
  calibration.video_only = MixOf(*raw.Find("video_only"));
  calibration.audio_only = MixOf(*raw.Find("audio_only"));
  calibration.fake_above = number("fake_above");
  calibration.real_below = number("real_below");
  calibration.head_fake_above = heads("head_fake_above");
  calibration.head_real_below = heads("head_real_below");
  calibration.segment_above = heads("segment_above");
  calibration.minimum_face_s = number("minimum_face_s");
  calibration.minimum_speech_s = number("minimum_speech_s");
  calibration.offset_contrast = number("offset_contrast");
  return calibration;
}

// Every file that was handed over is one of the manifest's, and unaltered.
Status CheckFiles(const avg_file* files, size_t count, const Manifest& manifest, std::string* message) {
  for (size_t i = 0; i < count; ++i) {
    const avg_file& file = files[i];
    const std::string name = file.name;
    if (name == kManifestName) continue;
    const auto listed = manifest.files.find(name);
    if (listed == manifest.files.end()) return Refuse(name + " is not named in manifest.json. Leave it out.", message);
    if (file.size > kMaxBundleFileBytes) return Refuse(name + " is larger than 64 MiB. Reinstall the bundle.", message);
    const std::string found = Sha256Hex(file.data, file.size);
    if (found != listed->second) {
      return Refuse(
          name + " was altered: sha256 " + found + ", the manifest says " + listed->second + ". Reinstall the bundle.",
          message);
    }
  }
  return Status::kOk;
}

Status CheckRuntime(const Manifest& manifest, const avg_engine* engine, std::string* message) {
  const EngineName own = BuiltInEngine();
  for (const auto& [name, wanted] : manifest.runtime) {
    std::string_view here;
    if (name == own.runtime) here = own.version;
    if (engine != nullptr && name == engine->name) here = engine->version;
    if (!here.empty() && ServesVersion(wanted, here)) continue;
    return Refuse("bundle " + manifest.id + " needs " + name + " " + wanted + ", this build has " +
                      (here.empty() ? "none" : std::string(here)) +
                      ". Use a bundle exported by this version of avguard, or run its ONNX form (onnx/ beside it, by "
                      "`make bundle`) in onnxruntime.",
                  message);
  }
  return Status::kOk;
}

// Self-test input: in [-1, 1), by integer arithmetic, so that every platform makes the same. See avguard/line.py.
void FillPattern(float* values, size_t count, uint64_t seed) {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t mixed = (i * 2654435761u + seed * 97 + 1) % 4096;
    values[i] = static_cast<float>(mixed) / 2048.0f - 1.0f;
  }
}

Status SelfTest(const EngineProgram& joint, const std::string& role, std::string_view golden, std::string* message) {
  JsonValue raw;
  const JsonValue* logits = nullptr;
  if (ParseJson(golden, &raw)) logits = raw.Find("logits");
  if (logits != nullptr) logits = logits->Find(role);
  const auto number = [](const JsonValue& value) { return value.is(Kind::kNumber); };
  if (logits == nullptr || logits->items.size() != kHeads ||
      !std::all_of(logits->items.begin(), logits->items.end(), number)) {
    return Refuse("the self-test vectors of the bundle make no sense. Reinstall the bundle.", message);
  }
  Arena scratch;
  Owned<Network> network;
  const Status created = joint.CreateNetwork(&scratch, &network, message);
  if (created != Status::kOk) return created;
  if (!Fits(*network, programs::kJoint)) {
    return Refuse("the joint model's inputs or outputs do not have the sizes of this build's spec", message);
  }
  std::vector<float> pattern;
  for (size_t i = 0; i < network->inputs(); ++i) {
    pattern.resize(network->input_size(i));
    FillPattern(pattern.data(), pattern.size(), i);
    SetInput(network.get(), i, pattern.data());
  }
  if (network->Run() != Status::kOk) {
    *message = "the joint model failed to run its self-test";
    return Status::kEngine;
  }
  double error = 0;
  for (size_t head = 0; head < kHeads; ++head) {
    const double off = std::abs(network->output(0)[head] - static_cast<float>(logits->items[head].number));
    if (!(off <= error)) error = off;
  }
  if (error <= (role == "joint_int8" ? kInt8Tolerance : kFloatTolerance)) return Status::kOk;
  return Refuse("the joint model computes wrongly on this CPU: " + role + " is off by " + std::to_string(error) +
                    " logits on its self-test. Try the other precision and report the CPU.",
                message);
}

// What a program says of itself in one of its constant methods; empty when it does not say.
std::string Said(const EngineProgram& program, const char* key) {
  std::string value;
  return program.ConstantString(key, &value) == Status::kOk ? value : std::string();
}

std::string Names(const TensorShape* tensors, size_t count) {
  std::string names;
  for (size_t i = 0; i < count; ++i) names += (i == 0 ? "" : ",") + std::string(tensors[i].name);
  return names;
}

class Opener {
 public:
  Opener(const avg_file* files, size_t count, const ModelOptions& options, std::string* message)
      : files_(files), count_(count), options_(options), message_(message) {}

  Status Open(std::shared_ptr<const Model>* model) {
    const avg_file* text = FindFile(files_, count_, kManifestName);
    if (text == nullptr) return Refuse("manifest.json is not among the files. Hand it over too.", message_);
    Status status = ParseManifest(TextOf(*text), &manifest_, message_);
    if (status == Status::kOk) status = CheckRuntime(manifest_, options_.engine, message_);
    if (status == Status::kOk) status = CheckFiles(files_, count_, manifest_, message_);
    if (status != Status::kOk) return status;
    const avg_file* golden = FindFile(files_, count_, manifest_.self_test);
    if (golden == nullptr) return Refuse(manifest_.self_test + " is not among the files. Hand it over too.", message_);
    const std::string role = JointRole();
    auto opened = std::make_shared<Model>();
    status = Program("face_detector", programs::kDetector, &opened->detector);
    if (status == Status::kOk) status = Program("face_mesh", programs::kMesh, &opened->mesh);
    if (status == Status::kOk) status = Program(role, programs::kJoint, &opened->joint);
    if (status == Status::kOk) status = SelfTest(*opened->joint, role, TextOf(*golden), message_);
    if (status != Status::kOk) return status;
    opened->calibration = CalibrationOf(manifest_.calibration);
    const std::string engine = options_.engine != nullptr ? options_.engine->name : BuiltInEngine().card;
    opened->card = {manifest_.id, manifest_.license_weights, engine + "-" + role.substr(6)};
    opened->warning = UnreadWarning(manifest_.unread);
    *model = std::move(opened);
    return Status::kOk;
  }

 private:
  const avg_file* FileOf(const std::string& role) const {
    const auto named = manifest_.programs.find(role);
    return named == manifest_.programs.end() ? nullptr : FindFile(files_, count_, named->second);
  }

  std::string JointRole() const {
    const std::string fast = "joint_int8", exact = "joint_float";
    if (options_.precision == AVG_PRECISION_INT8) return fast;
    if (options_.precision == AVG_PRECISION_FLOAT) return exact;
    if (FileOf(exact) == nullptr) return fast;
    return CpuHasInt8Dot() && FileOf(fast) != nullptr ? fast : exact;
  }

  Status Program(const std::string& role, const Interface& interface, std::shared_ptr<const EngineProgram>* program) {
    const avg_file* file = FileOf(role);
    if (file == nullptr) {
      const auto named = manifest_.programs.find(role);
      if (named != manifest_.programs.end()) {
        return Refuse(named->second + " is not among the files. Hand it over too.", message_);
      }
      return Refuse("bundle " + manifest_.id + " has no " + role + ". Choose the other precision.", message_);
    }
    // Programs of faces name where they come from instead.
    const Interface* named = &interface == &programs::kJoint ? &interface : nullptr;
    const ProgramBytes bytes{file->data, file->size, nullptr};
    if (options_.engine == nullptr) return OpenVerified(bytes, role.c_str(), named, program, message_);
    // What the host's engine leaves to the built-in one must be a program of that.
    std::shared_ptr<const EngineProgram> fallback;
    std::string unused;
    if (OpenVerified(bytes, role.c_str(), named, &fallback, &unused) != Status::kOk) fallback.reset();
    *program = HostProgram(*options_.engine, role, *file, interface, std::move(fallback));
    return Status::kOk;
  }

  const avg_file* const files_;
  const size_t count_;
  const ModelOptions& options_;
  std::string* const message_;
  Manifest manifest_;
};

}  // namespace

Status OpenVerified(ProgramBytes bytes, const char* name, const Interface* named,
                    std::shared_ptr<const EngineProgram>* program, std::string* message) {
  std::shared_ptr<const EngineProgram> opened;
  std::string said;
  // What follows trusts the bytes: also those that no manifest vouches for.
  if (Unseal(bytes.data, bytes.size, &bytes.size, &said) != Status::kOk) {
    return Refuse(std::string(name) + " " + said, message);
  }
  const Status status = OpenProgram(std::move(bytes), &opened, &said);
  if (status != Status::kOk) {
    *message = std::string(name) + " cannot be opened: " + said + ". Reinstall avguard or export the model again.";
    return status;
  }
  const std::string hash = Said(*opened, "spec_hash");
  if (hash != spec::hash) {
    return Refuse(std::string(name) + " was made for another spec: it carries " +
                      (hash.empty() ? "no spec_hash" : hash) + ", this build needs " + spec::hash +
                      ". Export the model again with this version of avguard.",
                  message);
  }
  const char* odd = Said(*opened, "spec_json") == spec::json ? nullptr : "spec_json";
  if (odd == nullptr && named != nullptr) {
    if (Said(*opened, "output_names") != Names(named->outputs, named->output_count)) odd = "output_names";
    if (Said(*opened, "input_names") != Names(named->inputs, named->input_count)) odd = "input_names";
  }
  if (odd != nullptr) {
    return Refuse(std::string(name) + " carries " + (Said(*opened, odd).empty() ? "no " : "another ") + odd +
                      (Said(*opened, odd).empty() ? "" : " than this build needs") +
                      ". Export the model again with this version of avguard.",
                  message);
  }
  *program = std::move(opened);
  return Status::kOk;
}

std::string UnreadWarning(const std::string& names) {
  constexpr size_t kMost = 200;
  if (names.empty()) return names;
  return "the model's manifest.json has keys that this version does not know: " +
         (names.size() <= kMost ? names : names.substr(0, kMost) + "...");
}

Status OpenModel(const avg_file* files, size_t file_count, const ModelOptions& options,
                 std::shared_ptr<const Model>* model, std::string* message) {
  return Opener(files, file_count, options, message).Open(model);
}

}  // namespace avg
