/* SPDX-License-Identifier: Apache-2.0 */
/* Models and sessions: made and ended. */
#include <stdlib.h>
#include <string.h>

#include "jni_common.h"

static void free_model(jni_model* held) {
  jsize i;
  avg_model_close(&held->model);
  for (i = 0; i < held->count && held->files != NULL; ++i) free((void*)held->files[i].name);
  free(held->files);
  free(held);
}

static char* copy_name(JNIEnv* env, jobjectArray names, jsize index) {
  jstring name = (jstring)(*env)->GetObjectArrayElement(env, names, index);
  const char* text = (*env)->GetStringUTFChars(env, name, NULL);
  char* copy = text == NULL ? NULL : strdup(text);
  if (text != NULL) (*env)->ReleaseStringUTFChars(env, name, text);
  (*env)->DeleteLocalRef(env, name);
  return copy;
}

static avg_status take_file(JNIEnv* env, jobjectArray names, jobjectArray buffers, jsize index, avg_file* file) {
  jobject buffer = (*env)->GetObjectArrayElement(env, buffers, index);
  file->data = (*env)->GetDirectBufferAddress(env, buffer);
  file->size = (size_t)(*env)->GetDirectBufferCapacity(env, buffer);
  (*env)->DeleteLocalRef(env, buffer);
  if (file->data == NULL) return AVG_INVALID_ARGUMENT;
  file->name = copy_name(env, names, index);
  return file->name == NULL ? AVG_NO_MEMORY : AVG_OK;
}

static jni_model* take_files(JNIEnv* env, jobjectArray names, jobjectArray buffers) {
  avg_status status = AVG_NO_MEMORY;
  jsize i, count = (*env)->GetArrayLength(env, names);
  jni_model* held = (jni_model*)calloc(1, sizeof *held);
  if (held != NULL) {
    held->count = count;
    held->files = (avg_file*)calloc((size_t)count + 1, sizeof *held->files);
    status = held->files == NULL ? AVG_NO_MEMORY : AVG_OK;
    for (i = 0; i < count && status == AVG_OK; ++i) status = take_file(env, names, buffers, i, &held->files[i]);
  }
  if (status == AVG_OK) return held;
  throw_status(env, status, status == AVG_NO_MEMORY ? NULL : "a file of the bundle is not in a direct ByteBuffer");
  if (held != NULL) free_model(held);
  return NULL;
}

NATIVE(jlong, openModel)(JNIEnv* env, jclass self, jobjectArray names, jobjectArray buffers, jint precision) {
  char message[512] = "";
  avg_model_options options;
  avg_status status;
  jni_model* held = take_files(env, names, buffers);
  (void)self;
  if (held == NULL) return 0;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.precision = precision;
  options.message = message;
  options.message_size = sizeof message;
  status = avg_model_open(held->files, (size_t)held->count, &options, &held->model);
  if (status == AVG_OK) return (jlong)(intptr_t)held;
  throw_status(env, status, message);
  free_model(held);
  return 0;
}

NATIVE(void, closeModel)(JNIEnv* env, jclass self, jlong model) {
  (void)env, (void)self;
  free_model(model_of(model));
}

static avg_status begin(const jni_model* model, const avg_session_options* options, jni_session* held) {
  size_t size = 0;
  const avg_status status = avg_session_size(model->model, options, &size);
  if (status != AVG_OK) return status;
  held->memory = malloc(size);
  if (held->memory == NULL) return AVG_NO_MEMORY;
  return avg_session_init(held->memory, size, model->model, options, &held->session);
}

NATIVE(jlong, openSession)
(JNIEnv* env, jclass self, jlong model, jboolean video, jboolean audio, jint max_duration_s, jint max_faces,
 jlong max_frame_bytes) {
  avg_session_options options;
  avg_status status = AVG_NO_MEMORY;
  jni_session* held = (jni_session*)calloc(1, sizeof *held);
  (void)self;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.no_video = !video;
  options.no_audio = !audio;
  options.max_duration_s = max_duration_s;
  options.max_faces = max_faces;
  options.max_frame_bytes = (size_t)max_frame_bytes;
  if (held != NULL) status = begin(model_of(model), &options, held);
  if (status == AVG_OK) return (jlong)(intptr_t)held;
  throw_status(env, status, NULL);
  if (held != NULL) free(held->memory);
  free(held);
  return 0;
}

NATIVE(void, closeSession)(JNIEnv* env, jclass self, jlong session) {
  jni_session* held = session_of(session);
  (void)env, (void)self;
  avg_session_close(held->session);
  free(held->memory);
  free(held);
}

NATIVE(void, resetSession)(JNIEnv* env, jclass self, jlong session) {
  const jni_session* held = session_of(session);
  (void)self;
  failed(env, held, avg_session_reset(held->session));
}
