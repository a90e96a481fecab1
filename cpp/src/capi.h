// SPDX-License-Identifier: Apache-2.0
// What is behind the handles of avguard.h, for the Python binding.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "avguard.h"
#include "session.h"

struct avg_model {
  std::shared_ptr<const avg::Model> model;
};

// Lies at the front of the caller's block, or on the heap for Python, whose clips have no limits.
struct avg_session {
  static constexpr uint32_t kOpen = 0x41564753, kClosed = 0x44454144;

  avg_session(void* block, size_t size) : arena(block, size) {}

  uint32_t state = 0;
  std::atomic<bool> busy{false};
  bool on_heap = false;
  avg::Arena arena;
  size_t mark = 0;  // of the arena, behind the networks: what lies there is of one clip
  std::shared_ptr<const avg::Model> model;
  avg::SessionOptions options;
  avg::Networks networks;
  avg::Owned<avg::Session> session;
  char error[256] = "";
};

namespace avg {

// A session whose memory is the heap, and grows with the clip. `avg_session_close` frees it.
avg_status OpenHeapSession(std::shared_ptr<const Model> model, const SessionOptions& options, avg_session** session,
                           std::string* message);

// Runs `call` on an open session, one thread at a time; its exceptions become statuses.
avg_status OnSession(avg_session* session, avg_status (*call)(avg_session&, void*), void* context);
template <typename Call>
avg_status OnSession(avg_session* session, Call call) {
  return OnSession(
      session, [](avg_session& open, void* context) { return (*static_cast<Call*>(context))(open); }, &call);
}

}  // namespace avg
