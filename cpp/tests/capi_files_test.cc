// SPDX-License-Identifier: Apache-2.0
// A bundle that was read short: each of its files cut at every point, where the hash tells and where it does not.
#include <cstring>

#include "check.h"
#include "quick_engine.h"

namespace {

// Opens with `name` alone cut to `size` bytes, in a block of exactly that size: a sanitizer sees every byte beyond it.
avg_status OpenCut(const Bundle& bundle, const char* name, size_t size) {
  std::vector<avg_file> files = bundle.Files();
  std::vector<char> block;
  for (avg_file& file : files) {
    if (std::strcmp(file.name, name) != 0) continue;
    const auto* bytes = static_cast<const char*>(file.data);
    block.assign(bytes, bytes + size);
    file.data = block.data();
    file.size = size;
    std::swap(file, files[0]);  // read first, so that the others need not be hashed each time
    break;
  }
  const avg_engine engine = quick_engine::Engine();
  char message[256] = "";
  avg_model_options options{};
  options.struct_size = sizeof options;
  options.engine = &engine;
  options.message = message;
  options.message_size = sizeof message;
  auto* const poison = reinterpret_cast<avg_model*>(uintptr_t{0x5a});
  avg_model* model = poison;
  const avg_status status = avg_model_open(files.data(), files.size(), &options, &model);
  CHECK((status == AVG_OK) == (model != poison) && (status == AVG_OK) == (message[0] == '\0'));
  if (status == AVG_OK) avg_model_close(&model);
  return status;
}

}  // namespace

TEST(AFileCutAtAnyPointIsRefused) {
  const Bundle bundle = quick_engine::SmallBundle();
  for (const auto& [name, bytes] : bundle.bytes) {
    CHECK(OpenCut(bundle, name.c_str(), bytes.size()) == AVG_OK);
    // White space at the end of the manifest may go.
    const size_t whole = name == "manifest.json" ? bytes.size() - 1 : bytes.size();
    for (size_t size = 0; size < whole; ++size) CHECK(OpenCut(bundle, name.c_str(), size) == AVG_MODEL_ERROR);
  }
}

TEST(VectorsCutAtAnyPointAreRefusedThoughTheManifestVouchesForThem) {
  const Bundle bundle = quick_engine::SmallBundle();
  const auto& golden = bundle.bytes.at("self_test.json");
  for (size_t size = 0; size < golden.size(); ++size) {
    Bundle cut = bundle;
    quick_engine::Put(&cut, "self_test.json",
                      std::string(golden.begin(), golden.begin() + static_cast<ptrdiff_t>(size)));
    CHECK(OpenCut(cut, "self_test.json", size) == AVG_MODEL_ERROR);
  }
}

TEST(AMessageIsCutToItsRoom) {
  const Bundle bundle = quick_engine::SmallBundle();
  const auto files = bundle.Files();
  for (size_t room = 0; room < 40; ++room) {
    char message[41];
    std::memset(message, 0x5a, sizeof message);
    avg_model_options options{};
    options.struct_size = sizeof options;
    options.message = message;
    options.message_size = room;
    avg_model* model = nullptr;
    CHECK(avg_model_open(files.data(), 1, &options, &model) == AVG_MODEL_ERROR && model == nullptr);
    CHECK(room == 0 || std::strlen(message) == room - 1);
    for (size_t i = room; i < sizeof message; ++i) CHECK(message[i] == 0x5a);
  }
}
