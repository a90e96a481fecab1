// SPDX-License-Identifier: Apache-2.0
// The C interface. Arguments are checked here, and this is the one place where exceptions are caught.
#include "capi.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "structs.h"
#include "utf8.h"

#ifndef AVG_VERSION
#define AVG_VERSION "unknown"
#endif

namespace avg {
namespace {

static_assert(static_cast<int>(Status::kOk) == AVG_OK && static_cast<int>(Status::kInvalidArgument) == 2);
static_assert(static_cast<int>(Status::kWrongOrder) == AVG_WRONG_ORDER && static_cast<int>(Status::kModel) == 6);
static_assert(AVG_MODEL_ERROR == 6 && static_cast<int>(Status::kEngine) == AVG_ENGINE_ERROR);
static_assert(static_cast<int>(Status::kLimit) == AVG_LIMIT && static_cast<int>(Status::kNoMemory) == AVG_NO_MEMORY);
static_assert(static_cast<int>(Status::kUnsupported) == AVG_UNSUPPORTED && AVG_INVALID_ARGUMENT == 2);
static_assert(AVG_HEADS == kHeads && AVG_MAX_FACES == spec::face::max_tracks && AVG_MAX_SIDE_PX == kMaxImageSide);

avg_status StatusOf(Status status) { return static_cast<avg_status>(status); }

void CopyText(const char* text, char* out, size_t size) {
  if (out == nullptr || size == 0) return;
  const size_t length = std::min(std::strlen(text), size - 1);
  std::memcpy(out, text, length);
  out[length] = '\0';
}

// Runs `call`; what it throws becomes a status.
template <typename Call>
avg_status Guard(Call call) noexcept {
#if !defined(__cpp_exceptions)
  return call();  // memory that runs out ends such a program, or traps in a page's worker
#else
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return AVG_NO_MEMORY;
  } catch (...) {
    return AVG_INTERNAL;
  }
#endif
}

avg_status Fail(avg_session& session, avg_status status, const char* message) {
  CopyText(message, session.error, sizeof session.error);
  return status;
}

// The status of a call on the line, whose message is kept.
avg_status Told(avg_session& session, Status status) {
  return status == Status::kOk ? AVG_OK : Fail(session, StatusOf(status), session.session->error());
}

avg_status ReadSessionOptions(const avg_session_options* given, SessionOptions* options) {
  avg_session_options raw{};
  const avg_status status = ReadStruct(given, &raw);
  if (status != AVG_OK) return status;
  options->expect_video = raw.no_video == 0;
  options->expect_audio = raw.no_audio == 0;
  if (raw.max_duration_s < 0 || raw.max_faces < 0 || raw.max_events < 0 || raw.audio_rate_hz < 0) {
    return AVG_INVALID_ARGUMENT;
  }
  if (raw.max_duration_s > 86400 || raw.max_faces > AVG_MAX_FACES || raw.max_events > 65536) return AVG_LIMIT;
  if (raw.max_frame_bytes > size_t{4} * AVG_MAX_SIDE_PX * AVG_MAX_SIDE_PX) return AVG_LIMIT;
  if (raw.max_events > 0 && raw.max_events < 16) return AVG_LIMIT;
  const bool rate_known = raw.audio_rate_hz > 0;
  if (rate_known && (raw.audio_rate_hz < Resampler::kMinRateHz || raw.audio_rate_hz > Resampler::kMaxRateHz)) {
    return AVG_LIMIT;
  }
  options->audio_rate_hz = raw.audio_rate_hz;
  if (raw.max_duration_s > 0) options->max_duration_s = raw.max_duration_s;
  if (raw.max_faces > 0) options->max_faces = static_cast<size_t>(raw.max_faces);
  if (raw.max_events > 0) options->max_events = static_cast<size_t>(raw.max_events);
  if (raw.max_frame_bytes > 0) options->max_frame_bytes = raw.max_frame_bytes;
  return AVG_OK;
}

// Makes a new clip behind the networks.
void StartClip(avg_session* session) {
  Arena* arena = session->on_heap ? nullptr : &session->arena;
  session->session.reset();
  if (arena != nullptr) arena->Rewind(session->mark);
  session->session = MakeOwned<Session>(arena, *session->model, session->networks, session->options, arena);
}

// Loads the networks and makes the first clip.
avg_status Furnish(avg_session* session, std::string* message) {
  Arena* arena = session->on_heap ? nullptr : &session->arena;
  const bool with_joint = !session->options.extract;
  const Status status = Networks::Load(*session->model, with_joint, arena, &session->networks, message);
  if (status != Status::kOk) return StatusOf(status);
  session->mark = session->arena.used();
  StartClip(session);
  session->state = avg_session::kOpen;
  return AVG_OK;
}

size_t RoundUp(size_t value) { return (value + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment; }

// The handle lies in front of what it manages.
constexpr size_t kHandleBytes = (sizeof(avg_session) + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;

avg_status CheckFiles(const avg_file* files, size_t count) {
  if (files == nullptr || count == 0) return AVG_INVALID_ARGUMENT;
  if (count > 64) return AVG_LIMIT;
  for (size_t i = 0; i < count; ++i) {
    if (files[i].name == nullptr || (files[i].data == nullptr && files[i].size > 0)) return AVG_INVALID_ARGUMENT;
  }
  return AVG_OK;
}

avg_status CheckEngine(const avg_engine* given, avg_engine* engine) {
  const avg_status status = ReadStruct(given, engine);
  if (status != AVG_OK) return status;
  const bool whole = engine->name != nullptr && engine->version != nullptr && engine->load != nullptr &&
                     engine->run != nullptr && engine->close != nullptr;
  return whole ? AVG_OK : AVG_INVALID_ARGUMENT;
}

avg_status OpenModelChecked(const avg_file* files, size_t count, const avg_model_options& raw, avg_model** model) {
  if (raw.precision < AVG_PRECISION_AUTO || raw.precision > AVG_PRECISION_INT8) return AVG_INVALID_ARGUMENT;
  avg_engine engine{};
  ModelOptions options;
  options.precision = static_cast<avg_precision>(raw.precision);
  if (raw.engine != nullptr) {
    const avg_status status = CheckEngine(raw.engine, &engine);
    if (status != AVG_OK) return status;
    options.engine = &engine;
  }
  auto opened = std::make_unique<avg_model>();
  std::string message;
  const Status status = OpenModel(files, count, options, &opened->model, &message);
  CopyText(message.c_str(), raw.message, raw.message_size);
  if (status == Status::kOk) *model = opened.release();
  return StatusOf(status);
}

}  // namespace

avg_status OnSession(avg_session* session, avg_status (*call)(avg_session&, void*), void* context) {
  if (session == nullptr) return AVG_INVALID_ARGUMENT;
  if (session->state != avg_session::kOpen) return AVG_CLOSED;
  if (session->busy.exchange(true, std::memory_order_acquire)) return AVG_BUSY;
  const avg_status status = Guard([&] { return call(*session, context); });
  if (status == AVG_NO_MEMORY || status == AVG_INTERNAL) CopyText(avg_status_text(status), session->error, 256);
  session->busy.store(false, std::memory_order_release);
  return status;
}

avg_status OpenHeapSession(std::shared_ptr<const Model> model, const SessionOptions& options, avg_session** session,
                           std::string* message) {
  return Guard([&] {
    auto opened = std::make_unique<avg_session>(nullptr, 0);
    opened->on_heap = true;
    opened->model = std::move(model);
    opened->options = options;
    const avg_status status = Furnish(opened.get(), message);
    if (status == AVG_OK) *session = opened.release();
    return status;
  });
}

}  // namespace avg

using avg::Fail;
using avg::Guard;
using avg::OnSession;
using avg::Told;

extern "C" {

uint32_t avg_abi_version(void) { return AVG_ABI_VERSION; }

const char* avg_version(void) { return AVG_VERSION; }

const char* avg_status_text(avg_status status) {
  switch (static_cast<int>(status)) {
    case AVG_OK:
      return "fine";
    case AVG_NO_EVENT:
      return "there is no new event";
    case AVG_INVALID_ARGUMENT:
      return "an argument makes no sense: a null pointer, a size, format, rate, time or struct_size";
    case AVG_WRONG_ORDER:
      return "the calls came in the wrong order: reset the session to begin another clip";
    case AVG_CLOSED:
      return "the session was closed, or never initialised";
    case AVG_BUSY:
      return "another thread is inside a call on this session: give each thread its own";
    case AVG_MODEL_ERROR:
      return "the bundle is incomplete, altered, or made for another spec or runtime: export it again";
    case AVG_ENGINE_ERROR:
      return "the engine failed to load or run a verified program";
    case AVG_LIMIT:
      return "something is larger than a stated limit";
    case AVG_NO_MEMORY:
      return "the caller's block or the heap is too small";
    case AVG_UNSUPPORTED:
      return "this build or this engine cannot do it";
    case AVG_INTERNAL:
      return "a defect of avguard: please report it";
    default:
      return "not a status of this version of avguard";
  }
}

avg_status avg_model_open(const avg_file* files, size_t file_count, const avg_model_options* options,
                          avg_model** model) {
  if (model == nullptr) return AVG_INVALID_ARGUMENT;
  avg_model_options raw{};
  avg_status status = avg::ReadStruct(options, &raw);
  if (status == AVG_OK) status = avg::CheckFiles(files, file_count);
  if (status != AVG_OK) return status;
  status = Guard([&] { return avg::OpenModelChecked(files, file_count, raw, model); });
  const bool untold = status != AVG_OK && status != AVG_MODEL_ERROR && status != AVG_ENGINE_ERROR;
  if (untold) avg::CopyText(avg_status_text(status), raw.message, raw.message_size);
  return status;
}

void avg_model_close(avg_model** model) {
  if (model == nullptr) return;
  delete *model;
  *model = nullptr;
}

avg_status avg_session_size(const avg_model* model, const avg_session_options* options, size_t* size) {
  if (model == nullptr || size == nullptr) return AVG_INVALID_ARGUMENT;
  avg::SessionOptions wanted;
  const avg_status status = avg::ReadSessionOptions(options, &wanted);
  if (status != AVG_OK) return status;
  return Guard([&] {
    wanted.sound_room_bytes = avg::SoundLine::RoomFor(wanted.audio_rate_hz);
    avg::Arena measure;
    avg::Networks networks;
    std::string message;
    const avg::Status loaded = avg::Networks::Load(*model->model, true, &measure, &networks, &message);
    if (loaded != avg::Status::kOk) return avg::StatusOf(loaded);
    const auto session = avg::MakeOwned<avg::Session>(&measure, *model->model, networks, wanted, &measure);
    *size = avg::Arena::kAlignment + avg::kHandleBytes + avg::RoundUp(measure.used());
    return AVG_OK;
  });
}

avg_status avg_session_init(void* memory, size_t size, const avg_model* model, const avg_session_options* options,
                            avg_session** session) {
  if (memory == nullptr || model == nullptr || session == nullptr) return AVG_INVALID_ARGUMENT;
  avg::SessionOptions wanted;
  const avg_status status = avg::ReadSessionOptions(options, &wanted);
  if (status != AVG_OK) return status;
  const auto address = reinterpret_cast<uintptr_t>(memory);
  const size_t skip = avg::RoundUp(address) - address;
  if (size < skip + avg::kHandleBytes) return AVG_NO_MEMORY;
  auto* front = static_cast<uint8_t*>(memory) + skip;
  auto* made = new (front) avg_session(front + avg::kHandleBytes, size - skip - avg::kHandleBytes);
  const avg_status furnished = Guard([&] {
    made->model = model->model;
    made->options = wanted;
    // Once: a reset must not use the heap.
    made->options.sound_room_bytes = avg::SoundLine::RoomFor(wanted.audio_rate_hz);
    std::string message;
    return avg::Furnish(made, &message);
  });
  if (furnished == AVG_OK) {
    *session = made;
  } else {
    made->~avg_session();
  }
  return furnished;
}

avg_status avg_session_reset(avg_session* session) {
  return OnSession(session, [](avg_session& open) {
    avg::StartClip(&open);
    open.error[0] = '\0';
    return AVG_OK;
  });
}

avg_status avg_session_close(avg_session* session) {
  const avg_status status = OnSession(session, [](avg_session& open) {
    open.state = avg_session::kClosed;
    open.session.reset();
    open.networks = {};
    open.model.reset();
    open.error[0] = '\0';
    return AVG_OK;
  });
  if (status == AVG_OK && session->on_heap) delete session;
  return status;
}

const char* avg_session_error(const avg_session* session) { return session == nullptr ? "" : session->error; }

avg_status avg_session_push_frame(avg_session* session, const avg_frame* frame) {
  return OnSession(session, [frame](avg_session& open) {
    avg::Image image;
    avg::Release release;
    int64_t t_us = 0;
    const avg_status status = avg::ReadFrame(frame, &image, &t_us, &release);
    if (status != AVG_OK) return Fail(open, status, "the frame is null, or its struct_size, format or matrix is wrong");
    return Told(open, open.session->PushFrame(image, t_us, release));
  });
}

avg_status avg_session_push_audio(avg_session* session, const avg_audio* audio) {
  return OnSession(session, [audio](avg_session& open) {
    avg::Pcm pcm;
    int64_t t_us = 0;
    const avg_status status = avg::ReadAudio(audio, &pcm, &t_us);
    if (status != AVG_OK) {
      return Fail(open, status, "the sound is null, or its struct_size, format, channels, count or alignment is wrong");
    }
    return Told(open, open.session->PushAudio(pcm, t_us));
  });
}

avg_status avg_session_warn(avg_session* session, const char* warning) {
  return OnSession(session, [warning](avg_session& open) {
    if (warning == nullptr) return Fail(open, AVG_INVALID_ARGUMENT, "the warning is null");
    if (!avg::IsUtf8(warning)) return Fail(open, AVG_INVALID_ARGUMENT, "the warning is not UTF-8");
    return Told(open, open.session->Warn(warning));
  });
}

avg_status avg_session_poll(avg_session* session, avg_event* event) {
  return OnSession(session, [event](avg_session& open) {
    const avg_status status = avg::CheckOutput(event);
    if (status != AVG_OK) return Fail(open, status, "the event is null or its struct_size is wrong");
    avg_event found;
    if (!open.session->Poll(&found)) return AVG_NO_EVENT;
    avg::WriteStruct(found, event);
    return AVG_OK;
  });
}

avg_status avg_session_faces(avg_session* session, avg_face* faces, size_t capacity, size_t* count, int64_t* t_us) {
  return OnSession(session, [=](avg_session& open) {
    if (count == nullptr || t_us == nullptr || (faces == nullptr && capacity > 0)) {
      return Fail(open, AVG_INVALID_ARGUMENT, "faces, count or t_us is null");
    }
    *count = open.session->Faces(faces, capacity, t_us);
    return AVG_OK;
  });
}

avg_status avg_session_finish(avg_session* session, avg_verdict* verdict) {
  return OnSession(session, [verdict](avg_session& open) {
    const avg_status status = avg::CheckOutput(verdict);
    if (status != AVG_OK) return Fail(open, status, "the verdict is null or its struct_size is wrong");
    const avg_status finished = Told(open, open.session->Finish());
    if (finished != AVG_OK) return finished;
    avg::WriteStruct(avg::VerdictOf(open.session->verdict(), open.session->card()), verdict);
    return AVG_OK;
  });
}

avg_status avg_session_json(avg_session* session, char* json, size_t capacity, size_t* length) {
  return OnSession(session, [=](avg_session& open) {
    if (length == nullptr || (json == nullptr && capacity > 0)) {
      return Fail(open, AVG_INVALID_ARGUMENT, "the length or the text is null");
    }
    if (!open.session->decided()) return Fail(open, AVG_WRONG_ORDER, "there is no verdict yet: finish first");
    const auto write = [&](size_t room) {
      return avg::WriteJson(open.session->verdict(), open.session->card(), json, room);
    };
    *length = write(0);
    if (capacity == 0) return AVG_OK;
    if (*length >= capacity) return Fail(open, AVG_LIMIT, "the JSON does not fit: give length + 1 bytes");
    json[write(capacity - 1)] = '\0';
    return AVG_OK;
  });
}

}  // extern "C"
