/* SPDX-License-Identifier: Apache-2.0 */
/* judge BUNDLE CLIP WHAT: what a C program sees of avguard. CLIP holds records of raw frames and PCM as written by
 * tests/native/clip.py. WHAT is
 *   json     the verdict, and nothing else
 *   minutes  ten minutes of the clip over and over: calls of the heap after avg_session_init, and peak memory
 *   resets   10,000 times init, reset and close: how much the heap and the process have grown
 *   starve   each allocation that avguard's own code asks for in open, size and init fails once: statuses seen, and
 *            bytes that were not freed. Not those of ExecuTorch 1.5.1 and XNNPACK, which end the process then */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "avguard.h"

/* ---- the heap, counted: these replace the C library's for the whole process */

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

static long heap_calls, heap_held, fail_at = -1;

/* Whether our library, or this program with the library in it, asks. */
static int is_ours(const void* caller) {
  Dl_info where, here;
  if (dladdr(caller, &where) == 0 || dladdr(&fail_at, &here) == 0) return 0;
  return where.dli_fbase == here.dli_fbase || strstr(where.dli_fname, "libavguard") != NULL;
}

static int fails(const void* caller) {
  ++heap_calls;
  if (fail_at < 0 || !is_ours(caller) || fail_at-- > 0) return 0;
  errno = ENOMEM;
  return 1;
}

static void* held(void* memory) {
  if (memory != NULL) heap_held += (long)malloc_usable_size(memory);
  return memory;
}

#define FAILS() fails(__builtin_return_address(0))

void* malloc(size_t size) { return FAILS() ? NULL : held(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) { return FAILS() ? NULL : held(__libc_calloc(count, size)); }
void* memalign(size_t alignment, size_t size) { return FAILS() ? NULL : held(__libc_memalign(alignment, size)); }
void* aligned_alloc(size_t alignment, size_t size) { return FAILS() ? NULL : held(__libc_memalign(alignment, size)); }
int posix_memalign(void** memory, size_t alignment, size_t size) {
  void* taken = FAILS() ? NULL : held(__libc_memalign(alignment, size));
  if (taken == NULL) return ENOMEM;
  *memory = taken;
  return 0;
}
void free(void* memory) {
  if (memory == NULL) return;
  ++heap_calls;
  heap_held -= (long)malloc_usable_size(memory);
  __libc_free(memory);
}
void* realloc(void* memory, size_t size) {
  if (FAILS()) return NULL;
  if (memory != NULL) heap_held -= (long)malloc_usable_size(memory);
  return held(__libc_realloc(memory, size));
}

/* ---- files */

static void die(const char* what, avg_status status) {
  fprintf(stderr, "%s: %s\n", what, avg_status_text(status));
  exit(3);
}

static char* read_file(const char* folder, const char* name, size_t* size) {
  char path[4096];
  FILE* file;
  char* data;
  snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
  file = fopen(path, "rb");
  if (file == NULL) die(path, AVG_INVALID_ARGUMENT);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  data = malloc(*size + 1);
  if (data == NULL || fread(data, 1, *size, file) != *size) die(path, AVG_NO_MEMORY);
  fclose(file);
  return data;
}

#define FILES 6
static avg_file files[FILES];
static int file_count;

static void read_bundle(const char* folder) {
  static const char* const names[FILES] = {"manifest.json", "self_test.json", "face_detector.pte",
                                           "face_mesh.pte", "joint_int8.pte", "joint_fp32.pte"};
  for (file_count = 0; file_count < FILES; ++file_count) {
    avg_file* file = &files[file_count];
    file->name = names[file_count];
    file->data = read_file(folder, file->name, &file->size);
  }
}

/* ---- the clip */

static char* clip;
static size_t clip_size;

static int64_t number(const char** at) {
  int64_t value;
  memcpy(&value, *at, sizeof value);
  *at += sizeof value;
  return value;
}

static void read_frame(const char** at, int64_t shift_us, avg_frame* frame) {
  int plane, planes;
  memset(frame, 0, sizeof *frame);
  frame->struct_size = sizeof *frame;
  frame->t_us = number(at) + shift_us;
  frame->format = (int32_t)number(at);
  frame->matrix = (int32_t)number(at);
  frame->full_range = (int32_t)number(at);
  frame->width = (int32_t)number(at);
  frame->height = (int32_t)number(at);
  planes = (int)number(at);
  for (plane = 0; plane < planes; ++plane) {
    const int64_t rows = number(at);
    frame->stride[plane] = (ptrdiff_t)number(at);
    frame->plane[plane] = (const uint8_t*)*at;
    *at += (rows * frame->stride[plane] + 7) / 8 * 8;
  }
}

static void read_audio(const char** at, int64_t shift_us, avg_audio* audio) {
  memset(audio, 0, sizeof *audio);
  audio->struct_size = sizeof *audio;
  audio->t_us = number(at) + shift_us;
  audio->format = AVG_F32;
  audio->channels = 1;
  audio->rate_hz = (int32_t)number(at);
  audio->count = (size_t)number(at);
  audio->samples = *at;
  *at += (audio->count * sizeof(float) + 7) / 8 * 8;
}

static void push_clip(avg_session* session, int64_t shift_us) {
  const char* at = clip;
  avg_event event;
  event.struct_size = sizeof event;
  while (at < clip + clip_size) {
    avg_status status;
    if (number(&at) == 0) {
      avg_frame frame;
      read_frame(&at, shift_us, &frame);
      status = avg_session_push_frame(session, &frame);
    } else {
      avg_audio audio;
      read_audio(&at, shift_us, &audio);
      status = avg_session_push_audio(session, &audio);
    }
    if (status != AVG_OK) die(avg_session_error(session), status);
    while (avg_session_poll(session, &event) == AVG_OK) continue;
  }
}

/* ---- what can be asked */

static avg_session_options options;
static void* block;
static size_t block_size;

static avg_model* open_model(void) {
  avg_model* model = NULL;
  char message[512] = "";
  avg_model_options wanted;
  avg_status status;
  memset(&wanted, 0, sizeof wanted);
  wanted.struct_size = sizeof wanted;
  wanted.message = message;
  wanted.message_size = sizeof message;
  status = avg_model_open(files, (size_t)file_count, &wanted, &model);
  if (status != AVG_OK) die(message, status);
  return model;
}

static avg_session* open_session(const avg_model* model) {
  avg_session* session = NULL;
  avg_status status = avg_session_size(model, &options, &block_size);
  if (status != AVG_OK) die("size", status);
  block = malloc(block_size);
  status = avg_session_init(block, block_size, model, &options, &session);
  if (status != AVG_OK) die("init", status);
  return session;
}

static void finish(avg_session* session) {
  static char json[1 << 20];
  size_t length;
  avg_verdict verdict;
  avg_status status;
  verdict.struct_size = sizeof verdict;
  status = avg_session_finish(session, &verdict);
  if (status == AVG_OK) status = avg_session_json(session, json, sizeof json, &length);
  if (status != AVG_OK) die(avg_session_error(session), status);
  write(STDOUT_FILENO, json, length);
}

static long from_status(const char* field) {
  char line[256];
  long value = -1;
  FILE* status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, field, strlen(field)) == 0) value = atol(line + strlen(field) + 1);
  }
  if (status != NULL) fclose(status);
  return value;
}

static void judge_minutes(int64_t clip_us) {
  avg_model* model = open_model();
  avg_session* session = open_session(model);
  const long before = heap_calls;
  int64_t shift_us;
  long calls;
  for (shift_us = 0; shift_us + clip_us <= 600 * 1000000LL; shift_us += clip_us) push_clip(session, shift_us);
  finish(session);
  calls = heap_calls - before;
  printf("\nheap_calls %ld arena_bytes %lu peak_kb %ld seconds %ld\n", calls, (unsigned long)block_size,
         from_status("VmHWM:"), (long)(shift_us / 1000000));
  avg_session_close(session);
  avg_model_close(&model);
}

static void judge_resets(void) {
  avg_model* model = open_model();
  avg_session* session = open_session(model);
  long i, held_before = 0, rss_before = 0;
  avg_session_close(session);
  /* Loading the networks is slow: one init in a hundred, the rest are resets. glibc finds places for the engine's
     blocks that it keeps to after the third or fourth. */
  for (i = 0; i < 11000; ++i) {
    if (i == 1000) held_before = heap_held, rss_before = from_status("VmRSS:");
    if (i % 100 == 0 && avg_session_init(block, block_size, model, &options, &session) != AVG_OK) die("init", 0);
    if (avg_session_reset(session) != AVG_OK) die("reset", 0);
    if (i % 100 == 99 && avg_session_close(session) != AVG_OK) die("close", 0);
  }
  printf("heap_growth %ld rss_growth_kb %ld\n", heap_held - held_before, from_status("VmRSS:") - rss_before);
  avg_model_close(&model);
}

/* One step of starve: the statuses of open, size and init when allocation `nth` fails. */
static int starve_once(long nth, int* seen) {
  avg_model* model = NULL;
  avg_session* session = NULL;
  size_t size = 0;
  avg_status status;
  int reached;
  fail_at = nth;
  status = avg_model_open(files, (size_t)file_count, NULL, &model);
  if (status == AVG_OK) status = avg_session_size(model, &options, &size);
  if (status == AVG_OK) status = avg_session_init(block, block_size, model, &options, &session);
  reached = fail_at < 0;
  fail_at = -1;
  ++seen[status];
  if (session != NULL) avg_session_close(session);
  avg_model_close(&model);
  return reached;
}

static void starve(long first, long step) {
  int seen[12] = {0};
  long nth, before;
  avg_model* model = open_model();
  avg_session* session = open_session(model);
  avg_session_close(session);
  avg_model_close(&model);
  before = heap_held;
  for (nth = first; starve_once(nth, seen); nth += step) continue;
  printf("points %ld ok %d no_memory %d engine %d model %d internal %d leaked %ld\n", nth, seen[AVG_OK],
         seen[AVG_NO_MEMORY], seen[AVG_ENGINE_ERROR], seen[AVG_MODEL_ERROR], seen[AVG_INTERNAL], heap_held - before);
}

int main(int argc, char** argv) {
  const char* what = argc > 3 ? argv[3] : "";
  if (argc < 4) return 2;
  read_bundle(argv[1]);
  clip = read_file("", argv[2], &clip_size);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  if (strcmp(what, "json") == 0) {
    avg_model* model = open_model();
    avg_session* session = open_session(model);
    push_clip(session, 0);
    finish(session);
    avg_session_close(session);
    avg_model_close(&model);
  } else if (strcmp(what, "minutes") == 0 && argc > 4) {
    options.max_faces = 1;
    judge_minutes(atol(argv[4]));
  } else if (strcmp(what, "resets") == 0) {
    judge_resets();
  } else if (strcmp(what, "starve") == 0 && argc > 5) {
    options.max_faces = 1;
    starve(atol(argv[4]), atol(argv[5]));
  } else {
    return 2;
  }
  return 0;
}
