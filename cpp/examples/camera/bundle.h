/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a model bundle, mapped: their pages are the kernel's to drop and read again, never the heap's. */
#ifndef CAMERA_BUNDLE_H
#define CAMERA_BUNDLE_H

#include "avguard.h"

/* Opens the model in `folder`; null: said why. `precision`: the joint program of the other one is not even mapped. */
avg_model* bundle_open(const char* folder, avg_precision precision);
/* Gives memory back that only opening needed, once the model is open and again once the session is there: the files'
 * pages, which are read again if anybody looks (the session's engine has weights of its own), and what the C library
 * kept of the self-test. */
void bundle_rest(void);
void bundle_close(avg_model* model);

#endif
