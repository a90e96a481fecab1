/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of equal slots between one thread that fills it and one that empties it. Its memory is the caller's.
 *
 * Overload: a live filler never waits. When the ring is full the item that just came is dropped and counted, so that
 * what was captured first is judged first, lateness is bounded by the ring's length, and a judge that is twice too slow
 * sees every second frame. Pictures and sound have rings of their own: pictures never crowd out sound. */
#ifndef CAMERA_RING_H
#define CAMERA_RING_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef struct item {
  int64_t t_us; /* of a picture, or of a block's first sample */
  const uint8_t* data;
  size_t size; /* bytes */
  struct ring* home;
  int returned;
} item;

/* What the emptier waits on: shared by all its rings. */
typedef struct bell {
  pthread_mutex_t lock;
  pthread_cond_t moved;
} bell;

typedef struct ring {
  bell* bell;
  uint8_t* memory;
  item* items;
  size_t slots, slot_bytes;
  size_t first, count, taken; /* the oldest `taken` of `count` are the emptier's */
  int ended;                  /* no more will come */
  long dropped;               /* since ring_take_dropped */
} ring;

enum { RING_ALIGNMENT = 64, RING_FOREVER_MS = -1 };

int bell_init(bell* shared);
/* Bytes that ring_init needs, from 64-byte aligned memory on. */
size_t ring_bytes(size_t slots, size_t slot_bytes);
void ring_init(ring* made, bell* shared, void* memory, size_t slots, size_t slot_bytes);

/* The filler copies an item in. Full: waits if `lossless`, else drops it. Larger than a slot: dropped. */
void ring_offer(ring* to, const item* given, int lossless);
void ring_end(ring* to);

/* The emptier looks at the oldest item of both rings, waiting up to `patience_ms` until each has one or has ended.
 * A null item: none. Answers 0 when both have ended and nothing is left to take. */
int ring_heads(ring* a, ring* b, int patience_ms, item** head_a, item** head_b);
/* Makes the oldest item the emptier's, until ring_release, in any order. */
void ring_take(ring* from);
void ring_release(item* taken);
long ring_take_dropped(ring* from);

#endif
