// SPDX-License-Identifier: Apache-2.0
#include "quick_engine.h"

avg_model* SharedModel() {
#ifdef AVG_TEST_QUICK_ENGINE
  static avg_model* model = quick_engine::Open();
#else
  static Bundle bundle;
  static avg_model* model = bundle.Open();
#endif
  return model;
}
