/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* madvise */
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "told.h"

enum { FILES = 6 };
static const char* const names[FILES] = {"manifest.json", "self_test.json", "face_detector.pte",
                                         "face_mesh.pte", "joint_int8.pte", "joint_fp32.pte"};
static avg_file files[FILES];
static size_t count;

static int map_file(const char* folder, const char* name) {
  char path[512];
  struct stat facts;
  void* data = MAP_FAILED;
  int file;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  file = open(path, O_RDONLY);
  if (file >= 0 && fstat(file, &facts) == 0) {
    data = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  }
  if (data == MAP_FAILED) tell(3, "%s: %s", path, strerror(errno));
  if (file >= 0) close(file);
  if (data == MAP_FAILED) return -1;
  files[count].name = name;
  files[count].data = data;
  files[count++].size = (size_t)facts.st_size;
  return 0;
}

avg_model* bundle_open(const char* folder, avg_precision precision) {
  char message[512] = "";
  avg_model_options options;
  avg_model* model = NULL;
  avg_status status;
  int i;
  for (i = 0; i < FILES; ++i) {
    if (precision == AVG_PRECISION_FLOAT && i == 4) continue;
    if (precision == AVG_PRECISION_INT8 && i == 5) continue;
    if (map_file(folder, names[i]) < 0) return NULL;
  }
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.precision = precision;
  options.message = message;
  options.message_size = sizeof message;
  status = avg_model_open(files, count, &options, &model);
  if (status != AVG_OK) tell(3, "%s: %s", folder, message);
  return status == AVG_OK ? model : NULL;
}

void bundle_rest(void) {
  size_t i;
  for (i = 0; i < count; ++i) madvise((void*)files[i].data, files[i].size, MADV_DONTNEED);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void bundle_close(avg_model* model) {
  avg_model_close(&model);
  while (count > 0) {
    --count;
    munmap((void*)files[count].data, files[count].size);
  }
}
