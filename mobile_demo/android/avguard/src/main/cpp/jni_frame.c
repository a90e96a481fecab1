/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as Android gives them (YUV_420_888: three planes with strides of rows and of pixels) and sound. */
#include <string.h>

#include "jni_common.h"

/* Places of Native.pushFrame's `layout`. */
enum { WIDTH, HEIGHT, LUMA_STRIDE, CHROMA_STRIDE, CHROMA_STEP, MATRIX, FULL_RANGE, ROTATION, MIRRORED, LAYOUT };

typedef struct plane {
  const uint8_t* data;
  int64_t size;
} plane;

static int plane_of(JNIEnv* env, jobject buffer, plane* found) {
  found->data = buffer == NULL ? NULL : (const uint8_t*)(*env)->GetDirectBufferAddress(env, buffer);
  found->size = found->data == NULL ? 0 : (int64_t)(*env)->GetDirectBufferCapacity(env, buffer);
  return found->data != NULL;
}

/* Whether rows of so many bytes lie in the buffer; the last row may end where its pixels do. */
static int fits(int64_t size, int64_t stride, int64_t rows, int64_t row_bytes) {
  return stride >= row_bytes && stride * (rows - 1) + row_bytes <= size;
}

/* Two bytes from pixel to pixel: U and V share rows, and whichever comes first names the format. */
static const char* semi_planar(avg_frame* frame, const plane* u, const plane* v, int64_t columns, int64_t rows) {
  const plane* first = u->data < v->data ? u : v;
  const plane* second = first == u ? v : u;
  const int64_t size = second->data - first->data + second->size;
  if (second->data - first->data != 1) return "the U and V planes are apart but have a pixel stride of 2";
  if (!fits(size, frame->stride[1], rows, 2 * columns)) return "the chroma buffers are smaller than the frame";
  frame->format = first == u ? AVG_NV12 : AVG_NV21;
  frame->plane[1] = first->data;
  return NULL;
}

static const char* planar(avg_frame* frame, const plane* u, const plane* v, int64_t columns, int64_t rows) {
  const int64_t stride = frame->stride[1];
  if (!fits(u->size, stride, rows, columns) || !fits(v->size, stride, rows, columns)) {
    return "the chroma buffers are smaller than the frame";
  }
  frame->format = AVG_I420;
  frame->plane[1] = u->data;
  frame->plane[2] = v->data;
  frame->stride[2] = (ptrdiff_t)stride;
  return NULL;
}

/* Fills `frame`; answers what is wrong, or null. */
static const char* fill(avg_frame* frame, const jint* layout, const plane* y, const plane* u, const plane* v) {
  const int64_t columns = ((int64_t)layout[WIDTH] + 1) / 2, rows = ((int64_t)layout[HEIGHT] + 1) / 2;
  frame->width = layout[WIDTH];
  frame->height = layout[HEIGHT];
  frame->matrix = layout[MATRIX];
  frame->full_range = layout[FULL_RANGE];
  frame->rotation_deg = layout[ROTATION];
  frame->mirrored = layout[MIRRORED];
  frame->stride[0] = layout[LUMA_STRIDE];
  frame->stride[1] = layout[CHROMA_STRIDE];
  frame->plane[0] = y->data;
  if (frame->width < 1 || frame->height < 1) return "the frame has no pixels";
  if (!fits(y->size, layout[LUMA_STRIDE], layout[HEIGHT], layout[WIDTH])) {
    return "the luma buffer is smaller than the frame";
  }
  if (layout[CHROMA_STEP] == 1) return planar(frame, u, v, columns, rows);
  if (layout[CHROMA_STEP] == 2) return semi_planar(frame, u, v, columns, rows);
  return "the pixel stride of U and V is neither 1 nor 2";
}

NATIVE(void, pushFrame)
(JNIEnv* env, jclass self, jlong session, jlong t_us, jintArray layout, jobject y, jobject u, jobject v) {
  const jni_session* held = session_of(session);
  jint numbers[LAYOUT];
  plane planes[3];
  avg_frame frame;
  const char* wrong;
  (void)self;
  (*env)->GetIntArrayRegion(env, layout, 0, LAYOUT, numbers);
  if ((*env)->ExceptionCheck(env)) return;
  if (!plane_of(env, y, &planes[0]) || !plane_of(env, u, &planes[1]) || !plane_of(env, v, &planes[2])) {
    throw_status(env, AVG_INVALID_ARGUMENT, "a plane is no direct ByteBuffer");
    return;
  }
  memset(&frame, 0, sizeof frame);
  frame.struct_size = sizeof frame;
  frame.t_us = t_us;
  wrong = fill(&frame, numbers, &planes[0], &planes[1], &planes[2]);
  if (wrong != NULL) {
    throw_status(env, AVG_INVALID_ARGUMENT, wrong);
    return;
  }
  failed(env, held, avg_session_push_frame(held->session, &frame));
}

NATIVE(void, pushAudio)
(JNIEnv* env, jclass self, jlong session, jlong t_us, jint format, jint channels, jint rate_hz, jobject samples,
 jint count) {
  const jni_session* held = session_of(session);
  const int64_t sample_bytes = format == AVG_S16 ? 2 : 4;
  plane bytes;
  avg_audio audio;
  (void)self;
  if (!plane_of(env, samples, &bytes) || count < 0 || channels < 1 || channels > AVG_MAX_CHANNELS ||
      (int64_t)count * channels * sample_bytes > bytes.size) {
    throw_status(env, AVG_INVALID_ARGUMENT, "the samples are no direct ByteBuffer that holds count x channels of them");
    return;
  }
  memset(&audio, 0, sizeof audio);
  audio.struct_size = sizeof audio;
  audio.t_us = t_us;
  audio.format = format;
  audio.channels = channels;
  audio.rate_hz = rate_hz;
  audio.samples = bytes.data;
  audio.count = (size_t)count;
  failed(env, held, avg_session_push_audio(held->session, &audio));
}
