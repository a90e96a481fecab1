// SPDX-License-Identifier: Apache-2.0
// What an operating system and the C++ library would bring: a start, an end, and what must never be called.
#include "runtime.h"

#include <cstddef>

extern "C" {

extern uint32_t data_begin, data_end, data_stored, bss_begin, bss_end, stack_top;
extern void (*init_begin[])(), (*init_end[])();

// Arm's semihosting: the debugger, here qemu, writes and ends for the program.
static int Semihost(int operation, const void* argument) {
  register int r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void Write(const char* text) { Semihost(0x04, text); }

[[noreturn]] void End(bool fine) {
  // "the application ended", or a run-time error, which qemu answers with exit status 1
  Semihost(0x18, reinterpret_cast<const void*>(fine ? 0x20026 : 0x20023));
  for (;;) {
  }
}

static void Fault() {
  Write("fault\n");
  End(false);
}

constexpr uint32_t kPaint = 0x5afe57ac;

// Bytes between the top of the stack and the deepest word that was written.
uint32_t StackUsed() {
  const uint32_t* word = &bss_end;
  while (word < &stack_top && *word == kPaint) ++word;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&stack_top) - reinterpret_cast<uintptr_t>(word));
}

[[noreturn]] __attribute__((naked)) void Reset() {
  asm volatile("ldr sp, =stack_top\n b Start");
  __builtin_unreachable();
}

[[noreturn, gnu::used]] void Start() {
  *reinterpret_cast<volatile uint32_t*>(0xe000ed88) |= 0xfu << 20;  // CPACR: the FPU is off after a reset
  asm volatile("dsb\n isb");
  for (uint32_t *to = &data_begin, *from = &data_stored; to < &data_end;) *to++ = *from++;
  for (uint32_t* word = &bss_begin; word < &bss_end;) *word++ = 0;
  auto* here = static_cast<uint32_t*>(__builtin_frame_address(0)) - 64;
  for (uint32_t* word = &bss_end; word < here;) *word++ = kPaint;
  for (auto* constructor = init_begin; constructor < init_end;) (*constructor++)();
  Main();
  End(true);
}

__attribute__((section(".vectors"), used))
const void* const vectors[16] = {&stack_top,
                                 reinterpret_cast<const void*>(Reset),
                                 reinterpret_cast<const void*>(Fault),  // NMI
                                 reinterpret_cast<const void*>(Fault),  // hard fault
                                 reinterpret_cast<const void*>(Fault),
                                 reinterpret_cast<const void*>(Fault),
                                 reinterpret_cast<const void*>(Fault)};

// There is no heap. Whoever asks for one ends the program, and with it the test.
[[noreturn]] static void NoHeap() {
  Write("the heap was called\n");
  End(false);
}
void* malloc(size_t) { NoHeap(); }
void* aligned_alloc(size_t, size_t) { NoHeap(); }
void free(void* memory) {
  if (memory != nullptr) NoHeap();
}
[[noreturn]] void abort() {
  Write("abort\n");
  End(false);
}

}  // extern "C"

void* operator new(size_t) { NoHeap(); }
void operator delete(void*) noexcept { NoHeap(); }
void operator delete(void*, size_t) noexcept { NoHeap(); }
void operator delete(void*, size_t, std::align_val_t) noexcept { NoHeap(); }

namespace std {
void __throw_length_error(const char*) { abort(); }
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_optional_access() { abort(); }
}  // namespace std
