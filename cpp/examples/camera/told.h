/* SPDX-License-Identifier: Apache-2.0 */
/* What the camera tells: lines for the log, and JSON lines for whoever is connected to its socket. */
#ifndef CAMERA_TOLD_H
#define CAMERA_TOLD_H

#include "avguard.h"

/* A line on stderr, "<level>camera: ..."; the levels are syslog's, as journald reads them: 3 error, 4 warning, 6 info.
 * syslog(3) itself would allocate. */
void tell(int level, const char* format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Listens on a unix socket. 0, or -1 with errno. */
int feed_open(const char* path);
void feed_close(void);
/* Takes in new listeners. */
void feed_accept(void);

/* start_us: of the clip, on the camera's clock. */
void tell_event(const avg_event* event, int64_t start_us);
/* The verdict's JSON goes to stdout, one line for each clip. */
void tell_verdict(const char* json, size_t length, int64_t start_us);

#endif
