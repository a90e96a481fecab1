// SPDX-License-Identifier: Apache-2.0
// Runs every station under the sanitizers; the arithmetic itself is compared with references in tests/core.
// Usage: avg_tests [PART], the tests whose names have PART in them.
#include <cstring>

#include "check.h"

static int failures = 0;

std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

void Report(bool passed, const char* expression, const char* file, int line) {
  if (passed) return;
  ++failures;
  std::printf("%s:%d: failed: %s\n", file, line, expression);
}

int main(int argc, char** argv) {
  int bad = 0, ran = 0;
  for (const Test& test : Tests()) {
    if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
    const int before = failures;
    test.run();
    ++ran;
    bad += failures > before ? 1 : 0;
  }
  std::printf("%d passed, %d failed\n", ran - bad, bad);
  return bad == 0 && ran > 0 ? 0 : 1;
}
