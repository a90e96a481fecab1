/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures from a V4L2 camera: NV12, single-planar, streamed through the driver's own mapped buffers. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "source.h"

enum { BUFFERS = 4, POLL_MS = 200 };

typedef struct v4l2_source {
  source base;
  int device;
  int held; /* index of the buffer that was given last; -1: none */
  void* buffers[BUFFERS];
  size_t lengths[BUFFERS];
  unsigned count;
} v4l2_source;

static v4l2_source camera = {.device = -1, .held = -1};

static int command(unsigned long request, void* argument) {
  int answer;
  do {
    answer = ioctl(camera.device, request, argument);
  } while (answer < 0 && errno == EINTR && !stopping);
  return answer;
}

static int enqueue(unsigned index) {
  struct v4l2_buffer buffer;
  memset(&buffer, 0, sizeof buffer);
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  buffer.index = index;
  return command(VIDIOC_QBUF, &buffer);
}

/* Waits for a picture; 0 when stopped or failed. */
static int dequeue(struct v4l2_buffer* buffer) {
  struct pollfd ready = {camera.device, POLLIN, 0};
  while (!stopping) {
    if (poll(&ready, 1, POLL_MS) < 0 && errno != EINTR) break;
    memset(buffer, 0, sizeof *buffer);
    buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer->memory = V4L2_MEMORY_MMAP;
    if (command(VIDIOC_DQBUF, buffer) == 0) return 1;
    if (errno != EAGAIN) break;
  }
  if (!stopping) camera.base.failure = strerror(errno);
  return 0;
}

static int next_picture(source* base, item* given) {
  struct v4l2_buffer buffer;
  if (camera.held >= 0 && enqueue((unsigned)camera.held) < 0) {
    base->failure = strerror(errno);
    return 0;
  }
  camera.held = -1;
  if (!dequeue(&buffer)) return 0;
  camera.held = (int)buffer.index;
  given->t_us = buffer.timestamp.tv_sec * INT64_C(1000000) + buffer.timestamp.tv_usec;
  given->data = camera.buffers[buffer.index];
  given->size = base->item_bytes;
  return 1;
}

static void close_camera(source* base) {
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  unsigned i;
  (void)base;
  command(VIDIOC_STREAMOFF, &type);
  for (i = 0; i < camera.count; ++i) munmap(camera.buffers[i], camera.lengths[i]);
  close(camera.device);
}

static int map_buffers(void) {
  struct v4l2_requestbuffers request;
  memset(&request, 0, sizeof request);
  request.count = BUFFERS;
  request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  request.memory = V4L2_MEMORY_MMAP;
  if (command(VIDIOC_REQBUFS, &request) < 0) return -1;
  for (camera.count = 0; camera.count < request.count && camera.count < BUFFERS; ++camera.count) {
    struct v4l2_buffer buffer;
    memset(&buffer, 0, sizeof buffer);
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    buffer.index = camera.count;
    if (command(VIDIOC_QUERYBUF, &buffer) < 0) return -1;
    camera.lengths[camera.count] = buffer.length;
    camera.buffers[camera.count] = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, camera.device, buffer.m.offset);
    if (camera.buffers[camera.count] == MAP_FAILED || enqueue(camera.count) < 0) return -1;
  }
  return camera.count > 0 ? 0 : -1;
}

static int set_format(const source_wishes* wishes, avg_frame* picture) {
  struct v4l2_format format;
  struct v4l2_streamparm rate;
  memset(&format, 0, sizeof format);
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format.fmt.pix.width = (unsigned)wishes->width;
  format.fmt.pix.height = (unsigned)wishes->height;
  format.fmt.pix.pixelformat = V4L2_PIX_FMT_NV12;
  format.fmt.pix.field = V4L2_FIELD_NONE;
  if (command(VIDIOC_S_FMT, &format) < 0) return -1;
  if (format.fmt.pix.pixelformat != V4L2_PIX_FMT_NV12) {
    errno = EMEDIUMTYPE;
    return -1;
  }
  /* The driver rounds to what the sensor can do. */
  picture->width = (int32_t)format.fmt.pix.width;
  picture->height = (int32_t)format.fmt.pix.height;
  picture->stride[0] = picture->stride[1] = (ptrdiff_t)format.fmt.pix.bytesperline;
  picture->matrix = format.fmt.pix.colorspace == V4L2_COLORSPACE_REC709 ? AVG_BT709 : AVG_BT601;
  picture->full_range = format.fmt.pix.quantization == V4L2_QUANTIZATION_FULL_RANGE;
  camera.base.item_bytes = (size_t)picture->stride[0] * (size_t)(picture->height + (picture->height + 1) / 2);
  memset(&rate, 0, sizeof rate);
  rate.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  rate.parm.capture.timeperframe.numerator = 1;
  rate.parm.capture.timeperframe.denominator = (unsigned)wishes->fps;
  /* Not every driver can be asked; avguard goes by timestamps anyway. */
  (void)command(VIDIOC_S_PARM, &rate);
  return 0;
}

source* v4l2_pictures(const source_wishes* wishes, source_formats* formats) {
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  camera.base.next = next_picture;
  camera.base.close = close_camera;
  camera.device = open(wishes->video_device, O_RDWR | O_NONBLOCK);
  if (camera.device < 0 || set_format(wishes, &formats->picture) < 0 || map_buffers() < 0 ||
      command(VIDIOC_STREAMON, &type) < 0) {
    fprintf(stderr, "<3>camera: %s gives no NV12: %s\n", wishes->video_device, strerror(errno));
    return NULL;
  }
  return &camera.base;
}
