/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out of a session: events, faces, the verdict. */
#include <stdlib.h>

#include "jni_common.h"

NATIVE(void, warn)(JNIEnv* env, jclass self, jlong session, jbyteArray utf8) {
  const jni_session* held = session_of(session);
  const jsize length = (*env)->GetArrayLength(env, utf8);
  char* text = (char*)calloc((size_t)length + 1, 1);
  (void)self;
  if (text == NULL) {
    throw_status(env, AVG_NO_MEMORY, NULL);
    return;
  }
  (*env)->GetByteArrayRegion(env, utf8, 0, length, (jbyte*)text);
  failed(env, held, avg_session_warn(held->session, text));
  free(text);
}

/* whole: number, kind, track, head, start_us, end_us. */
NATIVE(jboolean, poll)(JNIEnv* env, jclass self, jlong session, jlongArray whole, jdoubleArray scores) {
  const jni_session* held = session_of(session);
  avg_event event;
  avg_status status;
  jlong numbers[6];
  (void)self;
  event.struct_size = sizeof event;
  status = avg_session_poll(held->session, &event);
  if (status == AVG_NO_EVENT || failed(env, held, status)) return JNI_FALSE;
  numbers[0] = event.number;
  numbers[1] = event.kind;
  numbers[2] = event.track;
  numbers[3] = event.head;
  numbers[4] = event.start_us;
  numbers[5] = event.end_us;
  (*env)->SetLongArrayRegion(env, whole, 0, 6, numbers);
  (*env)->SetDoubleArrayRegion(env, scores, 0, AVG_HEADS, event.scores);
  return JNI_TRUE;
}

/* whole: t_us, then a track for each face; bounds: left, top, right, bottom of each. Answers how many. */
NATIVE(jint, faces)(JNIEnv* env, jclass self, jlong session, jlongArray whole, jfloatArray bounds) {
  const jni_session* held = session_of(session);
  avg_face found[AVG_MAX_FACES];
  size_t i, count = 0;
  int64_t t_us = 0;
  (void)self;
  if (failed(env, held, avg_session_faces(held->session, found, AVG_MAX_FACES, &count, &t_us))) return 0;
  if (count > AVG_MAX_FACES) count = AVG_MAX_FACES;
  for (i = 0; i < count; ++i) {
    const jlong track = found[i].track;
    const jfloat box[4] = {found[i].left, found[i].top, found[i].right, found[i].bottom};
    (*env)->SetLongArrayRegion(env, whole, (jsize)i + 1, 1, &track);
    (*env)->SetFloatArrayRegion(env, bounds, (jsize)i * 4, 4, box);
  }
  (*env)->SetLongArrayRegion(env, whole, 0, 1, (const jlong*)&t_us);
  return (jint)count;
}

static jbyteArray json_of(JNIEnv* env, const jni_session* held) {
  size_t length = 0;
  char* text;
  jbyteArray bytes = NULL;
  if (failed(env, held, avg_session_json(held->session, NULL, 0, &length))) return NULL;
  text = (char*)malloc(length + 1);
  if (text == NULL) {
    throw_status(env, AVG_NO_MEMORY, NULL);
    return NULL;
  }
  if (!failed(env, held, avg_session_json(held->session, text, length + 1, &length))) {
    bytes = (*env)->NewByteArray(env, (jsize)length);
    if (bytes != NULL) (*env)->SetByteArrayRegion(env, bytes, 0, (jsize)length, (const jbyte*)text);
  }
  free(text);
  return bytes;
}

NATIVE(jbyteArray, finish)(JNIEnv* env, jclass self, jlong session) {
  const jni_session* held = session_of(session);
  avg_verdict verdict;
  (void)self;
  verdict.struct_size = sizeof verdict;
  if (failed(env, held, avg_session_finish(held->session, &verdict))) return NULL;
  return json_of(env, held);
}
