/* SPDX-License-Identifier: Apache-2.0 */
#include "jni_common.h"

#include <stddef.h>

void throw_status(JNIEnv* env, avg_status status, const char* message) {
  jclass type;
  jmethodID make;
  jstring text;
  jthrowable thrown;
  if ((*env)->ExceptionCheck(env)) return;
  type = (*env)->FindClass(env, "org/avguard/AvguardException");
  if (type == NULL) return;
  make = (*env)->GetMethodID(env, type, "<init>", "(ILjava/lang/String;)V");
  if (make == NULL) return;
  /* avguard's messages are ASCII: what JNI calls modified UTF-8 is the same. */
  text = (*env)->NewStringUTF(env, message != NULL && *message != '\0' ? message : avg_status_text(status));
  if (text == NULL) return;
  thrown = (jthrowable)(*env)->NewObject(env, type, make, (jint)status, text);
  if (thrown != NULL) (*env)->Throw(env, thrown);
}

int failed(JNIEnv* env, const jni_session* session, avg_status status) {
  if (status == AVG_OK) return 0;
  throw_status(env, status, avg_session_error(session->session));
  return 1;
}

NATIVE(jstring, version)(JNIEnv* env, jclass self) {
  (void)self;
  return (*env)->NewStringUTF(env, avg_version());
}
