/* SPDX-License-Identifier: Apache-2.0 */
/* Sound from ALSA, 16 bit. Built only where ALSA's headers are; else CMake leaves CAMERA_ALSA unset. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <time.h>

#include "source.h"

#ifdef CAMERA_ALSA
#include <alsa/asoundlib.h>

enum { PERIOD_SAMPLES = 1024, MAX_CHANNELS = 2, LATENCY_US = 500000 };

typedef struct alsa_source {
  source base;
  snd_pcm_t* device;
  int channels, rate_hz;
  int16_t samples[PERIOD_SAMPLES * MAX_CHANNELS];
} alsa_source;

static alsa_source microphone;

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static int next_block(source* base, item* given) {
  snd_pcm_sframes_t got = 0, waiting = 0;
  while (!stopping && got <= 0) {
    got = snd_pcm_readi(microphone.device, microphone.samples, PERIOD_SAMPLES);
    /* An overrun lost sound: avguard sees the gap in the times and says so in the verdict. */
    if (got < 0 && snd_pcm_recover(microphone.device, (int)got, 1) < 0) {
      base->failure = snd_strerror((int)got);
      return 0;
    }
  }
  if (stopping) return 0;
  /* Samples still in the driver came after ours. */
  if (snd_pcm_delay(microphone.device, &waiting) < 0) waiting = 0;
  given->t_us = now_us() - (waiting + got) * INT64_C(1000000) / microphone.rate_hz;
  given->data = (const uint8_t*)microphone.samples;
  given->size = (size_t)got * (size_t)microphone.channels * sizeof(int16_t);
  return 1;
}

static void close_microphone(source* base) {
  (void)base;
  snd_pcm_close(microphone.device);
}

source* alsa_sound(const source_wishes* wishes, source_formats* formats) {
  int status = snd_pcm_open(&microphone.device, wishes->audio_device, SND_PCM_STREAM_CAPTURE, 0);
  microphone.channels = 1;
  microphone.rate_hz = wishes->rate_hz;
  if (status >= 0) {
    status = snd_pcm_set_params(microphone.device, SND_PCM_FORMAT_S16, SND_PCM_ACCESS_RW_INTERLEAVED, 1,
                                (unsigned)wishes->rate_hz, 1, LATENCY_US);
  }
  if (status < 0) {
    fprintf(stderr, "<3>camera: %s gives no 16-bit sound: %s\n", wishes->audio_device, snd_strerror(status));
    return NULL;
  }
  formats->sound.format = AVG_S16;
  formats->sound.channels = microphone.channels;
  formats->sound.rate_hz = microphone.rate_hz;
  microphone.base.next = next_block;
  microphone.base.close = close_microphone;
  microphone.base.item_bytes = sizeof microphone.samples;
  return &microphone.base;
}

#else

source* alsa_sound(const source_wishes* wishes, source_formats* formats) {
  (void)wishes, (void)formats;
  fprintf(stderr, "<3>camera: built without ALSA: install libasound2-dev and build again, or leave --audio out\n");
  return NULL;
}

#endif
