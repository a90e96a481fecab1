// SPDX-License-Identifier: Apache-2.0
// Any sequence of calls on one session with arguments good and bad: statuses of the header, outputs untouched on
// failure, events numbered upwards, a reset session that goes on, and lent frames given back exactly once.
#include <deque>
#include <memory>
#include <vector>

#include "../tests/quick_engine.h"
#include "input.h"

namespace {

const std::vector<uint8_t>& Pixels() {
  static const std::vector<uint8_t> pixels(320 * 240 * 4, 177);
  return pixels;
}

// The frames that were lent since the session was empty.
class Loans {
 public:
  // One more, not accepted yet. Its planes have no byte more than their strides say.
  void Lend(avg_frame* frame, uint8_t value) {
    Loan& loan = loans_.emplace_back();
    for (int i = 0; i < 3; ++i) {
      if (frame->plane[i] == nullptr) continue;
      loan.planes[i].assign(static_cast<size_t>(frame->stride[i]) * static_cast<size_t>(frame->height), value);
      frame->plane[i] = loan.planes[i].data();
    }
    frame->release = Release;
    frame->owner = &loan;
  }
  void Answered(avg_status status) {
    loans_.back().accepted = status == AVG_OK;
    HOLDS(Kept() <= 2);
  }
  // For a session that keeps no frame now.
  void Settle() {
    HOLDS(Kept() == 0);
    loans_.clear();
  }

 private:
  struct Loan {
    std::vector<uint8_t> planes[3];
    bool accepted = false;
    int released = 0;
  };

  // The address sanitizer sees who still looks.
  static void Release(void* owner) {
    auto* loan = static_cast<Loan*>(owner);
    ++loan->released;
    for (auto& plane : loan->planes) std::vector<uint8_t>().swap(plane);
  }

  int Kept() const {
    int kept = 0;
    for (const Loan& loan : loans_) {
      HOLDS(loan.released <= (loan.accepted ? 1 : 0));
      kept += loan.accepted ? 1 - loan.released : 0;
    }
    return kept;
  }

  std::deque<Loan> loans_;
};

std::unique_ptr<HeldSession> Fresh() {
  static avg_model* model = quick_engine::Open();
  static avg_session_options options = SmallOptions();
  options.audio_rate_hz = 16000;
  return std::make_unique<HeldSession>(options, model);
}

avg_status PushFrame(avg_session* session, Input* input, int64_t t_us, Loans* loans) {
  avg_frame frame{};
  frame.struct_size = sizeof frame - (input->Take<uint8_t>() == 7 ? 1 : 0);
  frame.t_us = input->Take<uint8_t>() == 9 ? input->Take<int64_t>() : t_us;
  // Mostly frames that are accepted, or nothing would happen after the first call.
  const bool sane = input->Take<uint8_t>() % 4 != 0;
  frame.format = input->Between(sane ? 0 : -1, sane ? 6 : 7);
  frame.matrix = input->Between(0, sane ? 2 : 3);
  frame.rotation_deg = sane ? 90 * input->Between(0, 3) : 45 * input->Between(0, 8);
  frame.mirrored = input->Take<uint8_t>();
  frame.width = sane ? 96 : input->Between(0, 130);
  frame.height = sane ? 72 : input->Between(0, 130);
  for (int i = 0; i < 3; ++i) {
    frame.plane[i] = !sane && input->Take<uint8_t>() == 3 ? nullptr : Pixels().data();
    frame.stride[i] = sane ? 4 * frame.width : input->Between(0, 530);
  }
  const bool known = frame.struct_size == sizeof frame;
  if (!known || input->Take<uint8_t>() % 2 == 0) return avg_session_push_frame(session, &frame);
  loans->Lend(&frame, input->Take<uint8_t>());
  const avg_status status = avg_session_push_frame(session, &frame);
  loans->Answered(status);
  return status;
}

avg_status PushSound(avg_session* session, Input* input, int64_t t_us) {
  avg_audio audio{};
  audio.struct_size = sizeof audio;
  audio.t_us = input->Take<uint8_t>() == 9 ? input->Take<int64_t>() : t_us;
  audio.format = input->Between(0, 2);
  audio.channels = input->Between(0, 2);
  audio.rate_hz = input->Take<uint8_t>() % 8 == 0 ? input->Take<int32_t>() : 16000;
  audio.samples = input->Take<uint8_t>() == 3 ? nullptr : Pixels().data();
  audio.count = static_cast<size_t>(input->Between(0, 16000));
  return avg_session_push_audio(session, &audio);
}

void Poll(avg_session* session, int64_t* newest) {
  avg_event event;
  std::memset(&event, 0x5a, sizeof event);
  event.struct_size = sizeof event;
  const avg_event before = event;
  const avg_status status = avg_session_poll(session, &event);
  if (status != AVG_OK) {
    HOLDS(status == AVG_NO_EVENT && std::memcmp(&before, &event, sizeof event) == 0);
    return;
  }
  HOLDS(event.number >= *newest && event.start_us <= event.end_us);
  *newest = event.number;
}

void Finish(avg_session* session, bool* finished) {
  avg_verdict verdict;
  std::memset(&verdict, 0x5a, sizeof verdict);
  verdict.struct_size = sizeof verdict;
  const avg_status status = avg_session_finish(session, &verdict);
  HOLDS((status == AVG_OK) == !*finished);
  HOLDS(status != AVG_OK || (verdict.label >= AVG_REAL && verdict.label <= AVG_INCONCLUSIVE));
  *finished = true;
  size_t length = 0;
  std::vector<char> json(1 << 16);
  HOLDS(avg_session_json(session, json.data(), json.size(), &length) == AVG_OK && json[length] == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<HeldSession> held = Fresh();
  HOLDS(held->session != nullptr);
  Input input(data, size);
  Loans loans;
  int64_t t_us = 0, newest = 0;
  bool finished = false;
  for (int calls = 0; !input.empty() && calls < 60; ++calls) {
    avg_session* session = held->session;
    avg_status status = AVG_OK;
    const auto step_ms = input.Take<uint8_t>();
    t_us += (step_ms < 128 ? 40 : step_ms) * int64_t{1000};  // often as a camera does
    switch (input.Between(0, 7)) {
      case 0:
      case 1:
        status = PushFrame(session, &input, t_us, &loans);
        break;
      case 2:
        status = PushSound(session, &input, t_us);
        break;
      case 3:
        Poll(session, &newest);
        break;
      case 4:
        status = avg_session_warn(session, "twelve frames were dropped");
        break;
      case 5:
        Finish(session, &finished);
        loans.Settle();
        break;
      default:
        if (input.Take<uint8_t>() % 4 == 0) {
          held.reset();  // closes it
          loans.Settle();
          held = Fresh();
        }
        HOLDS(avg_session_reset(held->session) == AVG_OK);
        loans.Settle();
        finished = false;
        newest = 0;
    }
    HOLDS(status != AVG_INTERNAL && status != AVG_CLOSED && status != AVG_BUSY && status != AVG_NO_MEMORY);
  }
  HOLDS(avg_session_reset(held->session) == AVG_OK);
  loans.Settle();
  return 0;
}
