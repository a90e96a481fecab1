/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static size_t round_up(size_t value) { return (value + RING_ALIGNMENT - 1) / RING_ALIGNMENT * RING_ALIGNMENT; }

int bell_init(bell* shared) {
  pthread_condattr_t attributes;
  /* The wall clock jumps when the camera learns the time. */
  if (pthread_condattr_init(&attributes) != 0) return -1;
  if (pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0) return -1;
  if (pthread_cond_init(&shared->moved, &attributes) != 0) return -1;
  pthread_condattr_destroy(&attributes);
  return pthread_mutex_init(&shared->lock, NULL);
}

size_t ring_bytes(size_t slots, size_t slot_bytes) {
  return round_up(slots * sizeof(item)) + slots * round_up(slot_bytes);
}

void ring_init(ring* made, bell* shared, void* memory, size_t slots, size_t slot_bytes) {
  memset(made, 0, sizeof *made);
  made->bell = shared;
  made->items = memory;
  made->memory = (uint8_t*)memory + round_up(slots * sizeof(item));
  made->slots = slots;
  made->slot_bytes = round_up(slot_bytes);
}

static void changed(ring* of) {
  pthread_cond_broadcast(&of->bell->moved);
  pthread_mutex_unlock(&of->bell->lock);
}

void ring_offer(ring* to, const item* given, int lossless) {
  size_t slot;
  pthread_mutex_lock(&to->bell->lock);
  while (lossless && to->count == to->slots && !to->ended) pthread_cond_wait(&to->bell->moved, &to->bell->lock);
  if (to->count == to->slots || to->ended || given->size > to->slot_bytes) {
    ++to->dropped;
    pthread_mutex_unlock(&to->bell->lock);
    return;
  }
  slot = (to->first + to->count) % to->slots;
  pthread_mutex_unlock(&to->bell->lock);
  /* Nobody else touches a slot beyond `count`, so the copy needs no lock. */
  memcpy(to->memory + slot * to->slot_bytes, given->data, given->size);
  pthread_mutex_lock(&to->bell->lock);
  to->items[slot].t_us = given->t_us;
  to->items[slot].size = given->size;
  to->items[slot].home = to;
  to->items[slot].returned = 0;
  to->items[slot].data = to->memory + slot * to->slot_bytes;
  ++to->count;
  changed(to);
}

void ring_end(ring* to) {
  pthread_mutex_lock(&to->bell->lock);
  to->ended = 1;
  changed(to);
}

static item* head(const ring* of) {
  return of->count > of->taken ? &of->items[(of->first + of->taken) % of->slots] : NULL;
}

static struct timespec after_ms(int ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += ms / 1000;
  until.tv_nsec += ms % 1000 * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    ++until.tv_sec;
    until.tv_nsec -= 1000000000L;
  }
  return until;
}

int ring_heads(ring* a, ring* b, int patience_ms, item** head_a, item** head_b) {
  const struct timespec until = after_ms(patience_ms < 0 ? 0 : patience_ms);
  int late = 0, more;
  pthread_mutex_lock(&a->bell->lock);
  while (!late && !((head(a) != NULL || a->ended) && (head(b) != NULL || b->ended))) {
    if (patience_ms < 0) {
      pthread_cond_wait(&a->bell->moved, &a->bell->lock);
    } else {
      late = pthread_cond_timedwait(&a->bell->moved, &a->bell->lock, &until) == ETIMEDOUT;
    }
  }
  *head_a = head(a);
  *head_b = head(b);
  more = *head_a != NULL || *head_b != NULL || !a->ended || !b->ended;
  pthread_mutex_unlock(&a->bell->lock);
  return more;
}

void ring_take(ring* from) {
  pthread_mutex_lock(&from->bell->lock);
  ++from->taken;
  pthread_mutex_unlock(&from->bell->lock);
}

void ring_release(item* taken) {
  ring* home = taken->home;
  pthread_mutex_lock(&home->bell->lock);
  taken->returned = 1;
  for (; home->taken > 0 && home->items[home->first].returned; --home->taken, --home->count) {
    home->first = (home->first + 1) % home->slots;
  }
  changed(home);
}

long ring_take_dropped(ring* from) {
  long dropped;
  pthread_mutex_lock(&from->bell->lock);
  dropped = from->dropped;
  from->dropped = 0;
  pthread_mutex_unlock(&from->bell->lock);
  return dropped;
}
