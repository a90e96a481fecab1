/* SPDX-License-Identifier: Apache-2.0 */
/* The line from the rings to verdicts.
 *
 * The endless stream is cut into clips: each is pushed into the session, finished, told, and the session is reset.
 * Always on: a clip is `clip_s` long and the next one follows at once. With a duty cycle a clip begins with each minute
 * and ends as soon as `windows_per_minute` windows were scored, or after `look_s` seconds without so many (nobody in
 * the picture). For the rest of the minute what is captured is dropped unseen: the sensor runs, the networks rest. */
#ifndef CAMERA_JUDGE_H
#define CAMERA_JUDGE_H

#include "avguard.h"
#include "ring.h"
#include "source.h"

typedef struct judge {
  avg_session* session;
  ring *pictures, *sounds;
  source_formats formats;
  int lossless;
  int64_t clip_us, look_us;
  long windows_per_minute; /* 0: always on */
  int64_t start_us;        /* of the clip or minute */
  int open;                /* the clip is being pushed, else resting */
  long windows, pushed;    /* in this clip */
  long pictures_judged, sounds_judged, pictures_dropped, sounds_dropped, windows_judged, verdicts, failures; /* ever */
} judge;

/* Until both rings have ended. */
void judge_all(judge* on);

#endif
