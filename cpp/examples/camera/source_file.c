/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures and sound from files, as make_raw.py writes them: raw bytes, and clip.txt with a line for each item. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "source.h"

enum { MAX_ITEM_BYTES = 1920 * 1080 * 3 / 2, LINE_BYTES = 128 };

typedef struct file_source {
  source base;
  const char* kind; /* of its lines in clip.txt: "frame " or "block " */
  FILE* index;
  int data;
  uint8_t* buffer;
  size_t sample_bytes; /* 0: pictures */
  double pace;
  int loops;
  int64_t shift_us, end_us; /* of this turn; how long a turn is */
  struct timespec begun;
} file_source;

static file_source sources[2];
static uint8_t picture_buffer[MAX_ITEM_BYTES], sound_buffer[1 << 16];
static char index_buffers[2][1 << 12];

/* Sleeps until a live source would give the item of that time. */
static void keep_pace(const file_source* from, int64_t t_us) {
  struct timespec until = from->begun;
  const int64_t wait_ns = from->pace > 0 && t_us > 0 ? (int64_t)((double)t_us * 1000 / from->pace) : 0;
  if (wait_ns == 0) return;
  until.tv_sec += (time_t)(wait_ns / 1000000000);
  until.tv_nsec += (long)(wait_ns % 1000000000);
  if (until.tv_nsec >= 1000000000L) {
    ++until.tv_sec;
    until.tv_nsec -= 1000000000L;
  }
  while (!stopping && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

static int next_turn(file_source* from) {
  if (--from->loops <= 0) return 0;
  from->shift_us += from->end_us;
  return fseek(from->index, 0, SEEK_SET) == 0 && lseek(from->data, 0, SEEK_SET) == 0;
}

/* The next line of this source's kind; what follows the word is in `rest`. */
static int next_line(file_source* from, char line[LINE_BYTES], const char** rest) {
  const size_t length = strlen(from->kind);
  for (;;) {
    if (fgets(line, LINE_BYTES, from->index) == NULL) {
      if (!next_turn(from)) return 0;
    } else if (strncmp(line, from->kind, length) == 0) {
      *rest = line + length;
      return 1;
    }
  }
}

static int next_item(source* base, item* given) {
  file_source* from = (file_source*)base;
  char line[LINE_BYTES];
  const char* rest;
  char* after;
  size_t got = 0;
  if (stopping || !next_line(from, line, &rest)) return 0;
  given->t_us = strtoll(rest, &after, 10) + from->shift_us;
  given->size = from->sample_bytes == 0 ? base->item_bytes : strtoul(after, NULL, 10) * from->sample_bytes;
  given->data = from->buffer;
  while (given->size <= base->item_bytes && got < given->size) {
    const ssize_t piece = read(from->data, from->buffer + got, given->size - got);
    if (piece <= 0) break;
    got += (size_t)piece;
  }
  if (got < given->size) {
    base->failure = "the raw file is shorter than clip.txt says: make it again";
    return 0;
  }
  keep_pace(from, given->t_us);
  return 1;
}

static void close_files(source* base) {
  file_source* from = (file_source*)base;
  fclose(from->index);
  close(from->data);
}

static source* complain(const char* what, const char* path) {
  fprintf(stderr, "<3>camera: %s: %s\n", path, what);
  return NULL;
}

/* Opens both files of one half; the head line that begins with `head` goes into `line`. */
static source* open_half(file_source* made, const source_wishes* wishes, const char* data_name, const char* head,
                         char line[LINE_BYTES]) {
  char path[512];
  int64_t last_us = 0;
  int found = 0;
  char other[LINE_BYTES];
  snprintf(path, sizeof path, "%s/clip.txt", wishes->folder);
  made->index = fopen(path, "r");
  if (made->index == NULL) return complain(strerror(errno), path);
  setvbuf(made->index, index_buffers[made - sources], _IOFBF, sizeof index_buffers[0]);
  /* A turn ends a frame's time after its last picture or block, whichever half is longer. */
  while (fgets(other, sizeof other, made->index) != NULL) {
    if (strncmp(other, head, strlen(head)) == 0 && ++found) memcpy(line, other, sizeof other);
    if (strncmp(other, "frame ", 6) == 0 || strncmp(other, "block ", 6) == 0) {
      const int64_t t_us = strtoll(other + 6, NULL, 10);
      if (t_us > last_us) last_us = t_us;
    }
  }
  rewind(made->index);
  made->end_us = last_us + 40000;
  if (!found) return complain("it says nothing of this half: leave the half out, or make the folder again", path);
  snprintf(path, sizeof path, "%s/%s", wishes->folder, data_name);
  made->data = open(path, O_RDONLY);
  if (made->data < 0) return complain(strerror(errno), path);
  made->base.next = next_item;
  made->base.close = close_files;
  made->pace = wishes->pace;
  made->loops = wishes->loops;
  clock_gettime(CLOCK_MONOTONIC, &made->begun);
  return &made->base;
}

source* file_pictures(const source_wishes* wishes, source_formats* formats) {
  file_source* made = &sources[0];
  avg_frame* picture = &formats->picture;
  char line[LINE_BYTES];
  int values[6] = {0};
  if (open_half(made, wishes, "frames.nv12", "picture ", line) == NULL) return NULL;
  if (sscanf(line, "picture %d %d %d %d %d %d", &values[0], &values[1], &values[2], &values[3], &values[4],
             &values[5]) != 6 ||
      values[0] < 1 || values[1] < 1 || values[0] > 1920 || values[1] > 1920) {
    return complain("not six numbers, or pictures above 1920 px", "clip.txt: picture");
  }
  picture->width = values[0];
  picture->height = values[1];
  picture->matrix = values[2];
  picture->full_range = values[3];
  picture->mirrored = values[4];
  picture->rotation_deg = values[5];
  picture->stride[0] = values[0];
  picture->stride[1] = (values[0] + 1) / 2 * 2;
  made->kind = "frame ";
  made->buffer = picture_buffer;
  made->base.item_bytes = (size_t)(picture->stride[0] * values[1] + picture->stride[1] * ((values[1] + 1) / 2));
  return made->base.item_bytes <= sizeof picture_buffer ? &made->base : complain("above 1080p", "clip.txt: picture");
}

source* file_sound(const source_wishes* wishes, source_formats* formats) {
  file_source* made = &sources[1];
  char line[LINE_BYTES], type[8];
  if (open_half(made, wishes, "sound.pcm", "sound ", line) == NULL) return NULL;
  if (sscanf(line, "sound %d %d %7s", &formats->sound.rate_hz, &formats->sound.channels, type) != 3) {
    return complain("not a rate, channels, and s16 or f32", "clip.txt: sound");
  }
  formats->sound.format = strcmp(type, "s16") == 0 ? AVG_S16 : AVG_F32;
  made->kind = "block ";
  made->buffer = sound_buffer;
  made->sample_bytes = (size_t)formats->sound.channels * (formats->sound.format == AVG_S16 ? 2 : 4);
  made->base.item_bytes = 1024 * made->sample_bytes;
  return made->base.item_bytes <= sizeof sound_buffer ? &made->base : complain("too many channels", "clip.txt: sound");
}
