// SPDX-License-Identifier: Apache-2.0
// Memory of the C++ library that runs out: at any one allocation, or from any one on. A status, and nothing leaks.
// (The large blocks, which come from elsewhere, run out in cpp/tests/consumer/judge.c.)
#include <atomic>
#include <cstdlib>
#include <new>

#include "check.h"
#include "quick_engine.h"

namespace {

constexpr long kNever = -1;
std::atomic<long> left{kNever}, held{0}, calls{0};
std::atomic<bool> for_good{false};

void* Take(size_t size) {
  ++calls;
  if (left == 0) {
    if (!for_good) left = kNever;
    return nullptr;
  }
  if (left > 0) --left;
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory != nullptr) ++held;
  return memory;
}

}  // namespace

void* operator new(size_t size) {
  void* memory = Take(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Take(size); }
void operator delete(void* memory) noexcept {
  if (memory != nullptr) --held;
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace {

// Opens, sizes and makes a session while memory runs out at the `nth` allocation. Whether it ran out.
bool RunOut(const std::vector<avg_file>& files, long nth, bool stays, std::vector<char>* block, int* refused) {
  const avg_engine engine = quick_engine::Engine();
  const avg_session_options options = SmallOptions();
  avg_model_options wanted{};
  wanted.struct_size = sizeof wanted;
  wanted.engine = &engine;
  auto* const no_model = reinterpret_cast<avg_model*>(uintptr_t{0x5a});
  auto* const no_session = reinterpret_cast<avg_session*>(uintptr_t{0x5a});
  avg_model* model = no_model;
  avg_session* session = no_session;
  size_t size = 77;
  const long before = held;
  for_good = stays;
  left = nth;
  avg_status status = avg_model_open(files.data(), files.size(), &wanted, &model);
  const bool opened = status == AVG_OK;
  if (opened) status = avg_session_size(model, &options, &size);
  const bool sized = status == AVG_OK;
  if (sized) status = avg_session_init(block->data(), block->size(), model, &options, &session);
  const bool ran_out = stays ? left == 0 : left == kNever;
  left = kNever;
  // What is not needed may be missing: the built-in engine, which only stands in for the host's.
  CHECK(status == AVG_NO_MEMORY || status == AVG_OK);
  CHECK((model != no_model) == opened && (size != 77) == sized && (session != no_session) == (status == AVG_OK));
  *refused += status == AVG_NO_MEMORY ? 1 : 0;
  if (status == AVG_OK) CHECK(avg_session_close(session) == AVG_OK);
  if (opened) avg_model_close(&model);
  CHECK(held == before);
  return ran_out;
}

}  // namespace

TEST(MemoryThatRunsOutAnywhereIsAStatus) {
  const Bundle bundle = quick_engine::SmallBundle();
  const std::vector<avg_file> files = bundle.Files();
  const avg_session_options options = SmallOptions();
  size_t size = 0;
  CHECK(avg_session_size(SharedModel(), &options, &size) == AVG_OK);
  std::vector<char> block(size);
  int refused = 0;
  RunOut(files, kNever, false, &block, &refused);  // what is made once in a process
  for (const bool stays : {false, true}) {
    long nth = 0;
    while (RunOut(files, nth, stays, &block, &refused)) ++nth;
    CHECK(nth > 50);
  }
  CHECK(refused > 100);
}

TEST(AClipAsksForNoMemory) {
  HeldSession held_session(SmallOptions());
  const std::vector<uint8_t> pixels(160 * 120, 200);
  const std::vector<float> samples(640, 0.1f);
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  const long before = calls;
  left = 0;  // none would be given
  for (int64_t k = 0; k < 50; ++k) {
    const avg_frame frame = Grey(pixels, 160, 120, k * 40'000);
    const avg_audio audio = Sound(samples, k * 40'000);
    CHECK(avg_session_push_frame(held_session.session, &frame) == AVG_OK);
    CHECK(avg_session_push_audio(held_session.session, &audio) == AVG_OK);
  }
  CHECK(avg_session_finish(held_session.session, &verdict) == AVG_OK);
  CHECK(avg_session_reset(held_session.session) == AVG_OK);
  left = kNever;
  CHECK(calls == before);
}
