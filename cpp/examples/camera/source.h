/* SPDX-License-Identifier: Apache-2.0 */
/* Where pictures and sound come from: a camera's drivers, or files. Both stamp with one clock, in microseconds. */
#ifndef CAMERA_SOURCE_H
#define CAMERA_SOURCE_H

#include <signal.h>

#include "avguard.h"
#include "ring.h"

typedef struct source source;
struct source {
  /* The next picture or block; it stays valid until the next call. Blocks. 0: the source has ended or failed. */
  int (*next)(source* from, item* given);
  void (*close)(source* from);
  const char* failure; /* why it ended, null if it simply did */
  size_t item_bytes;   /* the most that one item has */
};

/* What all pictures, and all sound, of a source have in common; t_us, data and count are filled in for each. */
typedef struct source_formats {
  avg_frame picture; /* NV12, one piece of memory: rows of stride[0], then the chroma rows */
  avg_audio sound;   /* samples per item: item size / (channels * sample bytes) */
} source_formats;

typedef struct source_wishes {
  const char *folder, *video_device, *audio_device;
  int width, height, fps, rate_hz;
  double pace; /* files: how many times faster than their own pace; 0: as fast as they are judged, nothing dropped */
  int loops;   /* files: how many times over */
} source_wishes;

/* Set by a signal, looked at by every source. */
extern volatile sig_atomic_t stopping;

/* Each opens one source and fills its half of `formats`; null: said on stderr why not. */
source* file_pictures(const source_wishes* wishes, source_formats* formats);
source* file_sound(const source_wishes* wishes, source_formats* formats);
source* v4l2_pictures(const source_wishes* wishes, source_formats* formats);
source* alsa_sound(const source_wishes* wishes, source_formats* formats);

#endif
