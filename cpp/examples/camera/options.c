/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "camera BUNDLE [--video DEVICE] [--audio DEVICE | --no-audio] [--size WxH] [--fps N] [--rate-hz N]\n"
    "camera BUNDLE --file FOLDER [--pace X] [--loops N]\n"
    "  --video /dev/video0, --audio default   a V4L2 device that gives NV12, an ALSA device\n"
    "  --file FOLDER       raw files of make_raw.py; --pace: times faster than their own, 0: as fast as they are "
    "judged\n"
    "  --no-video, --no-audio                 that half will not come\n"
    "  --clip-s N          seconds to a verdict (60)\n"
    "  --windows N         duty cycle: windows judged in each minute; 0: always on (0)\n"
    "  --look-s N          duty cycle: seconds of a minute in which to look for them (10)\n"
    "  --precision P       int8, float, or auto: what this CPU does faster (auto)\n"
    "  --ring-frames N, --ring-blocks N       room for what was captured (8, 96); two frames are being judged\n"
    "  --feed PATH         a unix socket that gives events and verdicts as JSON lines\n"
    "  --sizes             print the bytes of session, rings and arena, and stop\n";

static int to_int(const char* text, int least, int most, int* value) {
  char* end;
  const long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || number < least || number > most) return -1;
  *value = (int)number;
  return 0;
}

static int to_precision(const char* text, int* precision) {
  static const char* const names[] = {"auto", "float", "int8"};
  for (*precision = 0; *precision < 3; ++*precision) {
    if (strcmp(text, names[*precision]) == 0) return 0;
  }
  return -1;
}

static int to_pace(const char* text, double* pace) {
  char* end;
  *pace = strtod(text, &end);
  return end == text || *end != '\0' || !(*pace >= 0 && *pace <= 1000) ? -1 : 0;
}

static int to_size(const char* text, source_wishes* wishes) {
  return sscanf(text, "%dx%d", &wishes->width, &wishes->height) == 2 && wishes->width >= 16 && wishes->width <= 4096 &&
                 wishes->height >= 16 && wishes->height <= 4096
             ? 0
             : -1;
}

static int to_text(const char* text, const char** value) {
  *value = text;
  return 0;
}

/* -1: it makes no sense; 1: the name is not known. */
static int take(const char* name, const char* value, camera_options* o) {
  if (strcmp(name, "--video") == 0) return to_text(value, &o->wishes.video_device);
  if (strcmp(name, "--audio") == 0) return to_text(value, &o->wishes.audio_device);
  if (strcmp(name, "--file") == 0) return to_text(value, &o->wishes.folder);
  if (strcmp(name, "--feed") == 0) return to_text(value, &o->feed);
  if (strcmp(name, "--size") == 0) return to_size(value, &o->wishes);
  if (strcmp(name, "--fps") == 0) return to_int(value, 1, 120, &o->wishes.fps);
  if (strcmp(name, "--rate-hz") == 0) return to_int(value, 8000, 192000, &o->wishes.rate_hz);
  if (strcmp(name, "--pace") == 0) return to_pace(value, &o->wishes.pace);
  if (strcmp(name, "--loops") == 0) return to_int(value, 1, 1000000, &o->wishes.loops);
  if (strcmp(name, "--clip-s") == 0) return to_int(value, 2, 3600, &o->clip_s);
  if (strcmp(name, "--windows") == 0) return to_int(value, 0, 60, &o->windows_per_minute);
  if (strcmp(name, "--look-s") == 0) return to_int(value, 2, 60, &o->look_s);
  if (strcmp(name, "--precision") == 0) return to_precision(value, &o->precision);
  if (strcmp(name, "--ring-frames") == 0) return to_int(value, 3, 1024, &o->ring_frames);
  if (strcmp(name, "--ring-blocks") == 0) return to_int(value, 2, 4096, &o->ring_blocks);
  return 1;
}

static int flag(const char* name, camera_options* o) {
  if (strcmp(name, "--no-video") == 0) return o->no_video = 1;
  if (strcmp(name, "--no-audio") == 0) return o->no_audio = 1;
  if (strcmp(name, "--sizes") == 0) return o->sizes = 1;
  return 0;
}

int options_read(int argc, char** argv, camera_options* o) {
  int i;
  memset(o, 0, sizeof *o);
  o->wishes.video_device = "/dev/video0";
  o->wishes.audio_device = "default";
  o->wishes.width = 1280, o->wishes.height = 720, o->wishes.fps = 25, o->wishes.rate_hz = 16000;
  o->wishes.pace = 1, o->wishes.loops = 1;
  o->clip_s = 60, o->look_s = 10, o->ring_frames = 8, o->ring_blocks = 96;
  for (i = 1; i < argc; ++i) {
    int taken;
    if (argv[i][0] != '-' && o->bundle == NULL) {
      o->bundle = argv[i];
      continue;
    }
    if (flag(argv[i], o)) continue;
    taken = i + 1 < argc ? take(argv[i], argv[i + 1], o) : -1;
    if (taken != 0) {
      fprintf(stderr, "camera: %s%s\n%s", argv[i], taken > 0 ? " is not known" : " needs another value", usage);
      return -1;
    }
    ++i;
  }
  if (o->bundle != NULL && !(o->no_video && o->no_audio)) return 0;
  fprintf(stderr, "camera: name a bundle, and leave it pictures or sound\n%s", usage);
  return -1;
}
