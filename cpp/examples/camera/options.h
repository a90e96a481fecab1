/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAMERA_OPTIONS_H
#define CAMERA_OPTIONS_H

#include "source.h"

typedef struct camera_options {
  const char *bundle, *feed;
  source_wishes wishes;
  int precision; /* avg_precision */
  int no_video, no_audio;
  int clip_s, look_s, windows_per_minute;
  int ring_frames, ring_blocks;
  int sizes; /* print what the session and the rings take, and stop */
} camera_options;

/* 0, or -1 after saying how the program is used. */
int options_read(int argc, char** argv, camera_options* options);

#endif
