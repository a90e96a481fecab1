/* SPDX-License-Identifier: Apache-2.0 */
/* What the three parts of the binding share. Natives are those of org.avguard.Native; handles are pointers as long. */
#ifndef AVGUARD_JNI_COMMON_H
#define AVGUARD_JNI_COMMON_H

#include <avguard.h>
#include <jni.h>
#include <stdint.h>

/* Written by `javac -h`: the compiler compares its declarations with our definitions. Gradle does not run that step. */
#if defined(__has_include)
#if __has_include("org_avguard_Native.h")
#include "org_avguard_Native.h"
#endif
#endif

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_org_avguard_Native_##name

typedef struct jni_model {
  avg_model* model;
  jsize count;
  avg_file* files; /* bytes: direct buffers that org.avguard.Model keeps; names: ours */
} jni_model;

typedef struct jni_session {
  avg_session* session;
  void* memory;
} jni_session;

static inline jni_model* model_of(jlong handle) { return (jni_model*)(intptr_t)handle; }
static inline jni_session* session_of(jlong handle) { return (jni_session*)(intptr_t)handle; }

/* Throws org.avguard.AvguardException(status, message), unless something is thrown already. An empty or null message
 * becomes the status's own sentence. */
void throw_status(JNIEnv* env, avg_status status, const char* message);
/* Throws what the session says of a failed call; true if it had failed. */
int failed(JNIEnv* env, const jni_session* session, avg_status status);

#endif
