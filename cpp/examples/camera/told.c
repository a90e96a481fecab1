/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* accept4 */
#include "told.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENERS = 4, LINE_BYTES = 512 };

static int door = -1;
static int listeners[LISTENERS] = {-1, -1, -1, -1};
static char door_path[sizeof((struct sockaddr_un*)0)->sun_path];

static void put(int to, const char* text, size_t size) {
  while (size > 0) {
    const ssize_t written = write(to, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return; /* nobody reads the log any more: the camera goes on */
    text += written;
    size -= (size_t)written;
  }
}

void tell(int level, const char* format, ...) {
  char line[LINE_BYTES];
  va_list arguments;
  int length = snprintf(line, sizeof line, "<%d>camera: ", level);
  va_start(arguments, format);
  length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length++] = '\n';
  put(STDERR_FILENO, line, (size_t)length);
}

int feed_open(const char* path) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  strcpy(door_path, path);
  unlink(path);
  door = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (door < 0 || bind(door, (struct sockaddr*)&address, sizeof address) < 0) return -1;
  return listen(door, LISTENERS);
}

void feed_close(void) {
  int i;
  for (i = 0; i < LISTENERS; ++i) {
    if (listeners[i] >= 0) close(listeners[i]);
  }
  if (door < 0) return;
  close(door);
  unlink(door_path);
}

void feed_accept(void) {
  int i;
  for (i = 0; i < LISTENERS && door >= 0; ++i) {
    if (listeners[i] < 0) listeners[i] = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (listeners[i] < 0) return;
  }
}

/* A listener that does not read fast enough is let go: the camera never waits, and never sends half a line. */
static void feed(const char* const* parts, const size_t* sizes, int count) {
  int i, part;
  for (i = 0; i < LISTENERS; ++i) {
    for (part = 0; part < count && listeners[i] >= 0; ++part) {
      const ssize_t sent = send(listeners[i], parts[part], sizes[part], MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent == (ssize_t)sizes[part]) continue;
      close(listeners[i]);
      listeners[i] = -1;
    }
  }
}

static const char* const kinds[] = {"track_found", "track_lost", "window_scored", "segment_opened", "segment_closed"};
static const char* const heads[AVG_HEADS] = {"video", "audio", "sync", "desync"};

void tell_event(const avg_event* event, int64_t start_us) {
  char scores[128] = "", words[128] = "", line[LINE_BYTES];
  const char* kind = event->kind >= 0 && event->kind < 5 ? kinds[event->kind] : "unknown";
  size_t at = 0, told = 0, length;
  const char* parts[1];
  int head;
  for (head = 0; head < AVG_HEADS; ++head) {
    if (!(event->scores[head] >= 0)) continue;
    at += (size_t)snprintf(scores + at, sizeof scores - at, "%s\"%s\":%.4f", at ? "," : "", heads[head],
                           event->scores[head]);
    told += (size_t)snprintf(words + told, sizeof words - told, " %s=%.4f", heads[head], event->scores[head]);
  }
  tell(event->kind == AVG_SEGMENT_OPENED ? 4 : 6, "event %lld %s face=%d from=%.2f to=%.2f%s", (long long)event->number,
       kind, (int)event->track, (double)(start_us + event->start_us) / 1e6, (double)(start_us + event->end_us) / 1e6,
       words);
  length = (size_t)snprintf(line, sizeof line,
                            "{\"event\":\"%s\",\"clip_us\":%lld,\"number\":%lld,\"track\":%d,\"start_us\":%lld,"
                            "\"end_us\":%lld,\"scores\":{%s}}\n",
                            kind, (long long)start_us, (long long)event->number, (int)event->track,
                            (long long)event->start_us, (long long)event->end_us, scores);
  parts[0] = line;
  feed(parts, &length, 1);
}

void tell_verdict(const char* json, size_t length, int64_t start_us) {
  char begin[64];
  const char* const parts[] = {begin, json, "}\n"};
  size_t sizes[] = {0, length, 2};
  sizes[0] = (size_t)snprintf(begin, sizeof begin,
                              "{\"event\":\"verdict\",\"clip_us\":%lld,\"verdict\":", (long long)start_us);
  feed(parts, sizes, 3);
  put(STDOUT_FILENO, json, length);
  put(STDOUT_FILENO, "\n", 1);
}
