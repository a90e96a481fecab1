// SPDX-License-Identifier: Apache-2.0
// A bundle whose manifest and programs are anything: refused with a status and a sentence, never opened by accident.
#include <string>

#include "avguard.h"
#include "input.h"
#include "model/manifest.h"
#include "model/seal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  avg::JsonValue value;
  avg::ParseJson(text, &value);
  avg::Manifest manifest;
  std::string said;
  if (avg::ParseManifest(text, &manifest, &said) != avg::Status::kOk) HOLDS(!said.empty());
  size_t program = 0;
  said.clear();
  const bool sealed = avg::Unseal(data, size, &program, &said) == avg::Status::kOk;
  HOLDS(sealed ? program == size - avg::kSealBytes : !said.empty());
  const size_t half = size / 2;
  const avg_file files[] = {{"manifest.json", data, half}, {"self_test.json", data + half, size - half}};
  char message[64];
  std::memset(message, 0x5a, sizeof message);
  avg_model_options options{};
  options.struct_size = sizeof options;
  options.message = message;
  options.message_size = sizeof message;
  auto* const poison = reinterpret_cast<avg_model*>(uintptr_t{0x5a});
  avg_model* model = poison;
  HOLDS(avg_model_open(files, 2, &options, &model) == AVG_MODEL_ERROR && model == poison);
  HOLDS(std::memchr(message, 0, sizeof message) != nullptr && message[0] != 0);
  return 0;
}
