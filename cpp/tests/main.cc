// SPDX-License-Identifier: Apache-2.0
// Runs every station under the sanitizers; the arithmetic itself is compared with references in tests/core.
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

int main() {
  int bad = 0;
  for (const Test& test : Tests()) {
    const int before = failures;
    test.run();
    bad += failures > before ? 1 : 0;
  }
  std::printf("%d passed, %d failed\n", static_cast<int>(Tests().size()) - bad, bad);
  return bad == 0 ? 0 : 1;
}
