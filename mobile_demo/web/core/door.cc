// SPDX-License-Identifier: Apache-2.0
// avguard.h for a page: one model and one session, arguments that JavaScript can pass, and an engine that it serves.
#include <avguard.h>
#include <stdlib.h>

#include <cstddef>
#include <vector>

#define DOOR(name) __attribute__((export_name(#name))) name
#define HOST(name) __attribute__((import_module("host"), import_name(#name))) name

extern "C" {

// The page's engine: `load` answers a handle above 0; `run` a status. It reads avg_tensor as laid out below.
int HOST(load)(const char* role, const void* program, size_t size);
int HOST(run)(int network, const avg_tensor* inputs, const avg_tensor* outputs);

}  // extern "C"

namespace {

static_assert(sizeof(avg_tensor) == 48 && offsetof(avg_tensor, rank) == 8 && offsetof(avg_tensor, shape) == 12 &&
                  offsetof(avg_tensor, data) == 44,
              "src/engine.ts reads these places");

std::vector<avg_file> files;
avg_model* model = nullptr;
avg_session* session = nullptr;
void* memory = nullptr;
char message[512];
double row[16];

avg_status Load(void*, const char* role, const avg_file* program, avg_tensor*, size_t, avg_tensor*, size_t,
                void** network) {
  const int handle = load(role, program->data, program->size);
  *network = reinterpret_cast<void*>(handle);
  return handle > 0 ? AVG_OK : AVG_ENGINE_ERROR;
}

avg_status Run(void* network, const avg_tensor* inputs, const avg_tensor* outputs) {
  return static_cast<avg_status>(run(static_cast<int>(reinterpret_cast<intptr_t>(network)), inputs, outputs));
}

void Close(void*) {}  // the page keeps its sessions: each serves the next clip

}  // namespace

extern "C" {

void* DOOR(door_take)(size_t size) { return aligned_alloc(64, (size + 63) / 64 * 64); }
const char* DOOR(door_message)() { return message; }
const char* DOOR(door_error)() { return avg_session_error(session); }
const char* DOOR(door_status_text)(int status) { return avg_status_text(static_cast<avg_status>(status)); }
double* DOOR(door_row)() { return row; }

// Bytes and name stay where they are.
void DOOR(door_file)(const char* name, const void* data, size_t size) { files.push_back({name, data, size}); }

int DOOR(door_model)(const char* engine, const char* version) {
  const avg_engine table = {sizeof table, engine, version, nullptr, Load, Run, Close};
  avg_model_options options{};
  options.struct_size = sizeof options;
  options.engine = &table;
  options.message = message;
  options.message_size = sizeof message;
  return avg_model_open(files.data(), files.size(), &options, &model);
}

int DOOR(door_session)(int no_video, int no_audio, int max_duration_s, size_t max_frame_bytes) {
  if (session != nullptr) avg_session_close(session);
  session = nullptr;
  free(memory);
  memory = nullptr;
  avg_session_options options{};
  options.struct_size = sizeof options;
  options.no_video = no_video;
  options.no_audio = no_audio;
  options.max_duration_s = max_duration_s;
  options.max_frame_bytes = max_frame_bytes;
  options.max_events = 4096;
  size_t size = 0;
  const avg_status status = avg_session_size(model, &options, &size);
  if (status != AVG_OK) return status;
  memory = malloc(size);
  return memory == nullptr ? AVG_NO_MEMORY : avg_session_init(memory, size, model, &options, &session);
}

int DOOR(door_frame)(double t_us, int format, int matrix, int full_range, int rotation_deg, int mirrored, int width,
                     int height, const uint8_t* y, const uint8_t* u, const uint8_t* v, int y_stride, int u_stride,
                     int v_stride) {
  avg_frame frame{};
  frame.struct_size = sizeof frame;
  frame.t_us = static_cast<int64_t>(t_us);
  frame.format = format;
  frame.matrix = matrix;
  frame.full_range = full_range;
  frame.rotation_deg = rotation_deg;
  frame.mirrored = mirrored;
  frame.width = width;
  frame.height = height;
  frame.plane[0] = y;
  frame.plane[1] = u;
  frame.plane[2] = v;
  frame.stride[0] = y_stride;
  frame.stride[1] = u_stride;
  frame.stride[2] = v_stride;
  return avg_session_push_frame(session, &frame);
}

int DOOR(door_audio)(double t_us, int channels, int rate_hz, const float* samples, size_t count) {
  avg_audio audio{};
  audio.struct_size = sizeof audio;
  audio.t_us = static_cast<int64_t>(t_us);
  audio.format = AVG_F32;
  audio.channels = channels;
  audio.rate_hz = rate_hz;
  audio.samples = samples;
  audio.count = count;
  return avg_session_push_audio(session, &audio);
}

int DOOR(door_warn)(const char* text) { return avg_session_warn(session, text); }

// row: number, kind, track, head, start_us, end_us, scores.
int DOOR(door_poll)() {
  avg_event event{};
  event.struct_size = sizeof event;
  const avg_status status = avg_session_poll(session, &event);
  if (status != AVG_OK) return status;
  const double head[] = {static_cast<double>(event.number),   static_cast<double>(event.kind),
                         static_cast<double>(event.track),    static_cast<double>(event.head),
                         static_cast<double>(event.start_us), static_cast<double>(event.end_us)};
  for (size_t i = 0; i < 6; ++i) row[i] = head[i];
  for (size_t i = 0; i < AVG_HEADS; ++i) row[6 + i] = event.scores[i];
  return AVG_OK;
}

// row: for the largest face left, top, right, bottom in upright pixels; t_us. The number of faces, or minus a status.
int DOOR(door_faces)() {
  avg_face face{};
  size_t count = 0;
  int64_t t_us = 0;
  const avg_status status = avg_session_faces(session, &face, 1, &count, &t_us);
  if (status != AVG_OK) return -status;
  const double values[] = {face.left, face.top, face.right, face.bottom, static_cast<double>(t_us)};
  for (size_t i = 0; i < 5; ++i) row[i] = values[i];
  return static_cast<int>(count);
}

int DOOR(door_finish)() {
  avg_verdict verdict{};
  verdict.struct_size = sizeof verdict;
  return avg_session_finish(session, &verdict);
}

// The verdict's JSON in memory of its own, which door_give takes back; null on failure.
char* DOOR(door_json)() {
  size_t length = 0;
  if (avg_session_json(session, nullptr, 0, &length) != AVG_OK) return nullptr;
  char* json = static_cast<char*>(malloc(length + 1));
  if (json != nullptr) avg_session_json(session, json, length + 1, &length);
  return json;
}
void DOOR(door_give)(void* taken) { free(taken); }

}  // extern "C"
