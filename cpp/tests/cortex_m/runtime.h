// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <new>

extern "C" {
// What the firmware does; given by stations.cc.
void Main();
// To the debugger's console.
void Write(const char* text);
uint32_t StackUsed();
}
