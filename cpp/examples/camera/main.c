/* SPDX-License-Identifier: Apache-2.0 */
/* A camera that judges what it sees and hears. Two threads capture into rings, the main thread judges. Everything lies
 * in one static arena; after "capturing" is logged nothing is allocated until capture ends. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bundle.h"
#include "judge.h"
#include "options.h"
#include "told.h"

enum { FAILED = 3, ARENA_BYTES = CAMERA_ARENA_MB * 1024 * 1024, STACK_BYTES = 256 * 1024 };

volatile sig_atomic_t stopping;

/* C99 has no alignas; the first 63 bytes may be skipped. */
static uint8_t arena[ARENA_BYTES + RING_ALIGNMENT];
static size_t arena_used;
static bell shared_bell;

static void* take(size_t bytes) {
  uint8_t* from = arena + (RING_ALIGNMENT - (uintptr_t)arena % RING_ALIGNMENT) % RING_ALIGNMENT + arena_used;
  if (bytes > ARENA_BYTES - arena_used) return NULL;
  arena_used += (bytes + RING_ALIGNMENT - 1) / RING_ALIGNMENT * RING_ALIGNMENT;
  return from;
}

typedef struct capture {
  source* from;
  ring to;
  pthread_t thread;
  int lossless, running;
} capture;

static void* capture_all(void* context) {
  capture* line = context;
  item given;
  while (line->from->next(line->from, &given)) ring_offer(&line->to, &given, line->lossless);
  if (line->from->failure != NULL) tell(3, "capture ended: %s", line->from->failure);
  ring_end(&line->to);
  return NULL;
}

/* Without a source the ring has ended before it began. */
static int prepare(capture* line, source* from, size_t slots, int lossless) {
  const size_t slot_bytes = from == NULL ? 0 : from->item_bytes;
  const size_t bytes = ring_bytes(from == NULL ? 1 : slots, slot_bytes);
  void* memory = take(bytes);
  line->from = from;
  line->lossless = lossless;
  if (memory == NULL) {
    tell(3, "a ring of %lu bytes does not fit: raise CAMERA_ARENA_MB or lower --ring-frames", (unsigned long)bytes);
    return -1;
  }
  ring_init(&line->to, &shared_bell, memory, from == NULL ? 1 : slots, slot_bytes);
  if (from == NULL) ring_end(&line->to);
  return 0;
}

static int start(capture* line) {
  pthread_attr_t attributes;
  int failed;
  if (line->from == NULL) return 0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  failed = pthread_create(&line->thread, &attributes, capture_all, line);
  pthread_attr_destroy(&attributes);
  line->running = !failed;
  if (failed) tell(3, "a capture thread could not start: %s", strerror(failed));
  return failed ? -1 : 0;
}

static void stop(capture* line) {
  if (line->running) pthread_join(line->thread, NULL);
  if (line->from != NULL) line->from->close(line->from);
}

static avg_session_options session_options(const camera_options* options, const judge* on, size_t frame_bytes) {
  avg_session_options wanted;
  memset(&wanted, 0, sizeof wanted);
  wanted.struct_size = sizeof wanted;
  wanted.no_video = options->no_video;
  wanted.no_audio = options->no_audio;
  /* A block may reach beyond the cut. */
  wanted.max_duration_s = (options->windows_per_minute > 0 ? options->look_s : options->clip_s) + 2;
  wanted.max_faces = 1;
  wanted.audio_rate_hz = options->no_audio ? 0 : on->formats.sound.rate_hz;
  wanted.max_events = 64;
  wanted.max_frame_bytes = frame_bytes > 0 ? frame_bytes : 64;
  return wanted;
}

/* The session takes what the rings left of the arena. */
static avg_session* open_session(const avg_model* model, const avg_session_options* wanted) {
  const size_t left = ARENA_BYTES - arena_used;
  avg_session* session = NULL;
  const avg_status status = avg_session_init(take(left), left, model, wanted, &session);
  if (status == AVG_NO_MEMORY) tell(3, "the session does not fit the arena: see --sizes, raise CAMERA_ARENA_MB");
  if (status != AVG_OK) tell(3, "no session: %s", avg_status_text(status));
  return session;
}

static int print_sizes(const avg_model* model, const avg_session_options* wanted) {
  size_t session = 0;
  const avg_status status = avg_session_size(model, wanted, &session);
  if (status != AVG_OK) {
    tell(3, "no size: %s", avg_status_text(status));
    return FAILED;
  }
  printf("session_bytes %lu rings_bytes %lu arena_bytes %lu\n", (unsigned long)session, (unsigned long)arena_used,
         (unsigned long)ARENA_BYTES);
  return 0;
}

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static int run(judge* on, capture* pictures, capture* sounds) {
  int failed = start(pictures);
  if (failed == 0) failed = start(sounds);
  if (failed == 0) {
    tell(6, "capturing; static arena of %lu bytes", (unsigned long)ARENA_BYTES);
    judge_all(on);
    tell(6,
         "ended; %ld pictures and %ld blocks judged, %ld pictures and %ld blocks dropped, %ld windows, %ld verdicts, "
         "%ld failures",
         on->pictures_judged, on->sounds_judged, on->pictures_dropped, on->sounds_dropped, on->windows_judged,
         on->verdicts, on->failures);
  }
  stopping = 1;
  return failed != 0 || on->failures > 0 ? FAILED : 0;
}

static int open_sources(const camera_options* options, judge* on, source** pictures, source** sounds) {
  const int files = options->wishes.folder != NULL;
  source* (*const video)(const source_wishes*, source_formats*) = files ? file_pictures : v4l2_pictures;
  source* (*const audio)(const source_wishes*, source_formats*) = files ? file_sound : alsa_sound;
  if (!options->no_video && (*pictures = video(&options->wishes, &on->formats)) == NULL) return -1;
  if (!options->no_audio && (*sounds = audio(&options->wishes, &on->formats)) == NULL) return -1;
  return 0;
}

int main(int argc, char** argv) {
  static camera_options options;
  static judge on;
  static capture lines[2];
  source *pictures = NULL, *sounds = NULL;
  struct sigaction action;
  avg_session_options wanted;
  avg_model* model;
  int answer = FAILED;
  if (options_read(argc, argv, &options) != 0) return FAILED;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  on.lossless = options.wishes.folder != NULL && options.wishes.pace == 0;
  on.clip_us = options.clip_s * INT64_C(1000000);
  on.look_us = options.look_s * INT64_C(1000000);
  on.windows_per_minute = options.windows_per_minute;
  on.pictures = &lines[0].to;
  on.sounds = &lines[1].to;
  if (bell_init(&shared_bell) != 0 || open_sources(&options, &on, &pictures, &sounds) != 0) return FAILED;
  if (prepare(&lines[0], pictures, (size_t)options.ring_frames, on.lossless) != 0) return FAILED;
  if (prepare(&lines[1], sounds, (size_t)options.ring_blocks, on.lossless) != 0) return FAILED;
  model = bundle_open(options.bundle, (avg_precision)options.precision);
  if (model == NULL) return FAILED;
  bundle_rest();
  wanted = session_options(&options, &on, pictures == NULL ? 0 : pictures->item_bytes);
  if (options.sizes) return print_sizes(model, &wanted);
  if (options.feed != NULL && feed_open(options.feed) != 0) {
    tell(3, "%s: %s", options.feed, strerror(errno));
    return FAILED;
  }
  on.session = open_session(model, &wanted);
  bundle_rest();
  if (on.session != NULL) {
    answer = run(&on, &lines[0], &lines[1]);
    stop(&lines[0]);
    stop(&lines[1]);
    avg_session_close(on.session);
  }
  feed_close();
  bundle_close(model);
  return answer;
}
