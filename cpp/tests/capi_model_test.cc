// SPDX-License-Identifier: Apache-2.0
// What avg_model_open refuses, and engines of the host's own.
#include <cstring>

#include "bundle.h"
#include "check.h"
#include "model/manifest.h"
#include "model/seal.h"
#include "model/sha256.h"

namespace {

// Opening fails with AVG_MODEL_ERROR and a message that has `part` in it.
void Refused(Bundle* bundle, const char* part) {
  avg_status status;
  std::string message;
  avg_model* model = bundle->Open(&status, &message);
  CHECK(status == AVG_MODEL_ERROR && model == nullptr);
  CHECK(message.find(part) != std::string::npos);
  avg_model_close(&model);
}

void Replace(std::vector<char>* text, const std::string& from, const std::string& to) {
  std::string changed(text->begin(), text->end());
  changed.replace(changed.find(from), from.size(), to);
  text->assign(changed.begin(), changed.end());
}

// Seals a program again that was changed.
void Reseal(std::vector<char>* bytes) {
  const uint32_t crc = avg::Crc32(bytes->data(), bytes->size() - 4);
  for (size_t i = 0; i < 4; ++i) (*bytes)[bytes->size() - 4 + i] = static_cast<char>(crc >> (8 * i));
}

struct Counter {
  int loads = 0, runs = 0, closes = 0;
  avg_status answer = AVG_OK;  // of load, for the detector
  bool takes_joint = false;
  avg_tensor_type type = AVG_INT8;
};
Counter counter;

avg_status Load(void*, const char* role, const avg_file* program, avg_tensor* inputs, size_t input_count,
                avg_tensor* outputs, size_t output_count, void** network) {
  const bool detector = std::strcmp(role, "face_detector") == 0;
  if (!detector && !(counter.takes_joint && std::strncmp(role, "joint", 5) == 0)) return AVG_UNSUPPORTED;
  if (counter.answer != AVG_OK) return counter.answer;
  CHECK(program->size > 1000);
  if (detector) {
    CHECK(input_count == 1 && output_count == 2 && std::strcmp(inputs[0].name, "image") == 0);
    CHECK(inputs[0].rank == 4 && inputs[0].shape[3] == 128 && inputs[0].data == nullptr);
    inputs[0].type = outputs[1].type = counter.type;
    inputs[0].scale = 1 / 127.0f;
    outputs[1].scale = 1;
  }
  ++counter.loads;
  *network = &counter;
  return AVG_OK;
}

avg_status Run(void* network, const avg_tensor* inputs, const avg_tensor* outputs) {
  CHECK(network == &counter);
  CHECK(reinterpret_cast<uintptr_t>(inputs[0].data) % 64 == 0);
  if (inputs[0].type == AVG_INT8) {
    // A grey picture of level 128 is 1 / 255 after scaling, which is 0 or 1 of 127.
    const auto* pixels = static_cast<const int8_t*>(inputs[0].data);
    CHECK(pixels[64 * 128 + 64] >= 0 && pixels[64 * 128 + 64] <= 1);
    std::memset(outputs[1].data, -100, 896);
  }
  ++counter.runs;
  return AVG_OK;
}

void Close(void*) { ++counter.closes; }

avg_engine HostEngine() {
  avg_engine engine{};
  engine.struct_size = sizeof engine;
  engine.name = "counter";
  engine.version = "1.0";
  engine.load = Load;
  engine.run = Run;
  engine.close = Close;
  return engine;
}

}  // namespace

TEST(DigestsAreThoseOfTheStandard) {
  CHECK(avg::Sha256Hex("", 0) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(avg::Sha256Hex("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string long_text(1000, 'a');
  CHECK(avg::Sha256Hex(long_text.data(), 1000) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST(JsonIsReadAsTheStandardSays) {
  avg::JsonValue value;
  CHECK(avg::ParseJson(R"( {"a": [1, -2.5e-3, true, null, "\u00e9\ud83d\ude00\n"]} )", &value));
  const auto& items = value.Find("a")->items;
  CHECK(items.size() == 5 && items[1].number == -2.5e-3 && items[2].boolean);
  CHECK(items[4].text == "\xc3\xa9\xf0\x9f\x98\x80\n");
  for (const char* broken : {"", "{", "[1,]", "{\"a\" 1}", "01", "1.", "\"\\x\"", "tru", "[1] 2", "\"\n\"", "-", "NaN",
                             "[[[[[[[[[[1]]]]]]]]]]"}) {
    CHECK(!avg::ParseJson(broken, &value));
  }
}

TEST(ABundleIsVerifiedBeforeItIsParsed) {
  for (const char* name : {"self_test.json", "face_detector.pte", "face_mesh.pte", "joint_int8.pte"}) {
    Bundle bundle;
    bundle.bytes[name][100] ^= 1;
    Refused(&bundle, "was altered: sha256");
  }
  for (const char* name : {"manifest.json", "self_test.json", "face_detector.pte", "face_mesh.pte"}) {
    Bundle bundle;
    bundle.bytes.erase(name);
    Refused(&bundle, "is not among the files");
  }
  Bundle more;
  more.bytes["other.pte"] = {1, 2, 3};
  Refused(&more, "not named in manifest.json");
}

TEST(AManifestOfAnotherKindIsRefused) {
  const struct {
    const char *from, *to, *said;
  } kChanges[] = {{"\"format\": 1", "\"format\": 2", "another format"},
                  {"\"executorch\": \"1.5\"", "\"executorch\": \"1.4\"", "needs executorch 1.4"},
                  {"\"executorch\": \"1.5\"", "\"tpu\": \"1\"", "needs tpu 1"},
                  {"49e81419", "49e81418", "was made for spec"},
                  {"\"peak_weight\": 0.3", "\"peak_weight\": true", "calibration"},
                  {"\"either\": ", "\"neither\": ", "calibration"},
                  {"\"joint_int8.pte\"\n", "\"joint_int9.pte\"\n", "no file for joint_int8"},
                  {"\"self_test.json\",\n \"spec", "\"self.json\",\n \"spec", "no self-test"},
                  {"{\n", "[\n", "not valid JSON"}};
  for (const auto& change : kChanges) {
    Bundle bundle;
    Replace(&bundle.bytes["manifest.json"], change.from, change.to);
    Refused(&bundle, change.said);
  }
}

TEST(KeysOfALaterReleaseAreLeftUnreadAndTold) {
  Bundle bundle;
  Replace(&bundle.bytes["manifest.json"], "\"id\":", "\"surplus\": [1], \"more\": 1, \"id\":");
  avg_model* model = bundle.Open();
  CHECK(model != nullptr);
  {
    HeldSession held(SmallOptions(), model);
    avg_verdict verdict;
    verdict.struct_size = sizeof verdict;
    CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
    CHECK(held.Json().find("keys that this version does not know: more, surplus") != std::string::npos);
  }
  avg_model_close(&model);
}

TEST(AProgramSaysInFullWhatItIsFor) {
  for (const auto& [program, key] : {std::pair("face_mesh.pte", "spec_json"),
                                     {"joint_int8.pte", "spec_hash"},
                                     {"joint_int8.pte", "input_names"},
                                     {"joint_int8.pte", "output_names"}}) {
    Bundle bundle;
    auto& bytes = bundle.bytes[program];
    const std::string before = avg::Sha256Hex(bytes.data(), bytes.size());
    Replace(&bytes, key, std::string(key).replace(0, 1, "?"));
    Reseal(&bytes);
    Replace(&bundle.bytes["manifest.json"], before, avg::Sha256Hex(bytes.data(), bytes.size()));
    bundle.bytes.erase("joint_fp32.pte");
    Refused(&bundle, key);
  }
}

TEST(ADamagedProgramIsRefusedThoughTheManifestVouchesForIt) {
  for (const char* program : {"face_detector.pte", "face_mesh.pte", "joint_int8.pte"}) {
    for (const size_t share : {0, 3, 7, 10}) {
      Bundle bundle;
      auto& bytes = bundle.bytes[program];
      const std::string before = avg::Sha256Hex(bytes.data(), bytes.size());
      bytes[share * (bytes.size() - 1) / 10] ^= 4;
      Replace(&bundle.bytes["manifest.json"], before, avg::Sha256Hex(bytes.data(), bytes.size()));
      bundle.bytes.erase("joint_fp32.pte");
      Refused(&bundle, "was altered: its CRC-32 is ");
    }
  }
}

TEST(OnePrecisionIsEnough) {
  for (const char* left_out : {"joint_int8.pte", "joint_fp32.pte"}) {
    Bundle bundle;
    bundle.bytes.erase(left_out);
    avg_status status;
    avg_model* model = bundle.Open(&status);
    CHECK(status == AVG_OK && model != nullptr);
    avg_model_close(&model);
    CHECK(model == nullptr);
    avg_model_close(&model);
  }
  Bundle neither;
  neither.bytes.erase("joint_int8.pte");
  neither.bytes.erase("joint_fp32.pte");
  Refused(&neither, "is not among the files");
}

TEST(WhatOnlyReportsReadMayStandInAManifest) {
  Bundle bundle;
  const auto& bytes = bundle.bytes["manifest.json"];
  const std::string text(bytes.begin(), bytes.end());
  for (const char* key : {"\"reliability\"", "\"trained_on\""}) CHECK(text.find(key) != std::string::npos);
  avg_model* model = bundle.Open();
  CHECK(model != nullptr);
  avg_model_close(&model);
}

// A manifest in which `part` is not spoken of: every line that has it goes.
void Forget(std::vector<char>* text, const std::string& part) {
  std::string kept(text->begin(), text->end());
  for (size_t at = kept.find(part); at != std::string::npos; at = kept.find(part)) {
    const size_t start = kept.rfind('\n', at);
    kept.erase(start, kept.find('\n', at) - start);
  }
  text->assign(kept.begin(), kept.end());
}

TEST(AManifestMayNameOnePrecisionAlone) {
  Bundle page;
  page.bytes.erase("joint_fp32.pte");
  Forget(&page.bytes["manifest.json"], "joint_fp32.pte");
  avg_model* model = page.Open();
  CHECK(model != nullptr);
  avg_model_close(&model);
  Bundle neither;
  for (const char* name : {"joint_fp32.pte", "joint_int8.pte"}) {
    neither.bytes.erase(name);
    Forget(&neither.bytes["manifest.json"], name);
  }
  Replace(&neither.bytes["manifest.json"], "face_mesh.pte\",\n }", "face_mesh.pte\"\n }");
  Refused(&neither, "no file for joint");
}

TEST(AHostsEngineRunsWhatItCan) {
  for (const avg_tensor_type type : {AVG_FLOAT32, AVG_INT8}) {
    counter = {};
    counter.type = type;
    Bundle bundle;
    const avg_engine engine = HostEngine();
    avg_status status;
    avg_model* model = bundle.Open(&status, nullptr, &engine);
    CHECK(status == AVG_OK);
    {
      HeldSession held(SmallOptions(), model);
      CHECK(held.status == AVG_OK && counter.loads == 2);
      const std::vector<uint8_t> pixels(64 * 48, 128);
      for (int64_t k = 0; k < 12; ++k) {
        const avg_frame frame = Grey(pixels, 64, 48, k * 40'000);
        CHECK(avg_session_push_frame(held.session, &frame) == AVG_OK);
      }
      CHECK(counter.runs > 0);
      avg_verdict verdict{};
      verdict.struct_size = sizeof verdict;
      CHECK(avg_session_finish(held.session, &verdict) == AVG_OK);
      CHECK(std::strncmp(verdict.engine, "counter-", 8) == 0);
    }
    CHECK(counter.closes == counter.loads);
    avg_model_close(&model);
  }
}

TEST(AnEngineThatFailsOrComputesWronglyIsNamed) {
  const avg_engine engine = HostEngine();
  avg_status status;
  std::string message;
  counter = {};
  counter.takes_joint = true;  // and answers zeros
  Bundle bundle;
  CHECK(bundle.Open(&status, &message, &engine) == nullptr && status == AVG_MODEL_ERROR);
  CHECK(message.find("computes wrongly") != std::string::npos && counter.closes == counter.loads);
  counter = {};
  counter.answer = AVG_ENGINE_ERROR;
  avg_model* model = bundle.Open(&status, &message, &engine);
  CHECK(status == AVG_OK);
  size_t size = 0;
  CHECK(avg_session_size(model, nullptr, &size) == AVG_ENGINE_ERROR && size == 0);
  avg_model_close(&model);
}
