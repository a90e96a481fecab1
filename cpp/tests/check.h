// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <string>
#include <vector>

// A test registers itself; CHECK counts a failure and goes on, so that one run shows them all.
struct Test {
  const char* name;
  void (*run)();
};
std::vector<Test>& Tests();
void Report(bool passed, const char* expression, const char* file, int line);

struct Registrar {
  Registrar(const char* name, void (*run)()) { Tests().push_back({name, run}); }
};

#define TEST(name)                                      \
  static void name();                                   \
  static const Registrar name##_registrar(#name, name); \
  static void name()
#define CHECK(expression) Report((expression), #expression, __FILE__, __LINE__)
