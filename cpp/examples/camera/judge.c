/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <stdio.h>
#include <string.h>

#include "told.h"

enum { JSON_BYTES = 1 << 18, PATIENCE_MS = 250, MINUTE_US = 60 * 1000000 };

static char json[JSON_BYTES];

static void complain(judge* on, const char* what, avg_status status) {
  const char* said = avg_session_error(on->session);
  ++on->failures;
  tell(3, "%s: %s", what, *said ? said : avg_status_text(status));
}

static void poll_events(judge* on) {
  avg_event event;
  memset(&event, 0, sizeof event);
  event.struct_size = sizeof event;
  while (avg_session_poll(on->session, &event) == AVG_OK) {
    tell_event(&event, on->start_us);
    if (event.kind != AVG_WINDOW_SCORED) continue;
    ++on->windows;
    ++on->windows_judged;
  }
}

/* What the rings had no room for goes into the verdict: who reads it must know that not everything was seen. */
static void warn_of_drops(judge* on) {
  const long pictures = ring_take_dropped(on->pictures), sounds = ring_take_dropped(on->sounds);
  char text[96];
  on->pictures_dropped += pictures;
  on->sounds_dropped += sounds;
  if (pictures + sounds == 0) return;
  snprintf(text, sizeof text, "%ld frames and %ld blocks of sound were dropped under load", pictures, sounds);
  tell(4, "%s", text);
  avg_session_warn(on->session, text);
}

static void end_clip(judge* on) {
  size_t length = 0;
  avg_verdict verdict;
  avg_status status;
  memset(&verdict, 0, sizeof verdict);
  verdict.struct_size = sizeof verdict;
  on->open = 0;
  if (on->pushed == 0) return;
  warn_of_drops(on);
  status = avg_session_finish(on->session, &verdict);
  if (status == AVG_OK) status = avg_session_json(on->session, json, sizeof json, &length);
  if (status == AVG_OK) {
    poll_events(on);
    tell_verdict(json, length, on->start_us);
    ++on->verdicts;
  } else {
    complain(on, "this clip has no verdict", status);
  }
}

static void begin_clip(judge* on, int64_t start_us) {
  const avg_status status = avg_session_reset(on->session);
  if (status != AVG_OK) complain(on, "the session could not be reset", status);
  /* What overflowed while resting is missed by nobody. */
  on->pictures_dropped += ring_take_dropped(on->pictures);
  on->sounds_dropped += ring_take_dropped(on->sounds);
  on->start_us = start_us;
  on->windows = on->pushed = 0;
  on->open = 1;
}

/* Cuts clips and rests. Items come in the order of their times. */
static void turn_to(judge* on, int64_t t_us) {
  const int64_t period_us = on->windows_per_minute > 0 ? MINUTE_US : on->clip_us;
  if (t_us - on->start_us >= period_us) {
    if (on->open) end_clip(on);
    begin_clip(on, on->start_us + (t_us - on->start_us) / period_us * period_us);
  } else if (on->open && on->windows_per_minute > 0 &&
             (on->windows >= on->windows_per_minute || t_us - on->start_us >= on->look_us)) {
    end_clip(on);
  }
}

static void give_back(void* taken) { ring_release(taken); }

/* Lends the session the picture where it lies. */
static void push_picture(judge* on, item* given) {
  avg_frame frame = on->formats.picture;
  avg_status status;
  frame.struct_size = sizeof frame;
  frame.format = AVG_NV12;
  frame.t_us = given->t_us - on->start_us;
  frame.plane[0] = given->data;
  frame.plane[1] = given->data + frame.stride[0] * frame.height;
  frame.release = give_back;
  frame.owner = given;
  status = avg_session_push_frame(on->session, &frame);
  if (status != AVG_OK) {
    complain(on, "a picture was refused", status);
    ring_release(given);
  }
  ++on->pictures_judged;
}

static void push_sound(judge* on, item* given) {
  avg_audio audio = on->formats.sound;
  avg_status status;
  audio.struct_size = sizeof audio;
  audio.t_us = given->t_us - on->start_us;
  audio.samples = given->data;
  audio.count = given->size / ((size_t)audio.channels * (audio.format == AVG_S16 ? 2 : 4));
  status = avg_session_push_audio(on->session, &audio);
  if (status != AVG_OK) complain(on, "sound was refused", status);
  ring_release(given);
  ++on->sounds_judged;
}

void judge_all(judge* on) {
  item *picture, *sound;
  on->open = 1;
  /* A live source that has gone silent must not hold up the other one. */
  while (ring_heads(on->pictures, on->sounds, on->lossless ? RING_FOREVER_MS : PATIENCE_MS, &picture, &sound)) {
    const int is_picture = picture != NULL && (sound == NULL || picture->t_us <= sound->t_us);
    item* given = is_picture ? picture : sound;
    feed_accept();
    if (given == NULL) continue;
    turn_to(on, given->t_us);
    ring_take(given->home);
    if (!on->open) {
      ring_release(given);
    } else {
      ++on->pushed;
      if (is_picture) {
        push_picture(on, given);
      } else {
        push_sound(on, given);
      }
      poll_events(on);
    }
  }
  if (on->open) end_clip(on);
}
