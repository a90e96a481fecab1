# SPDX-License-Identifier: Apache-2.0
# avg_options: how our own sources are compiled and linked.
add_library(avg_options INTERFACE)
target_compile_options(avg_options INTERFACE
  -Wall -Wextra -Werror
  # A fused multiply-add rounds once instead of twice. Without it one build gives the same bits for a clip pushed
  # whole or in pieces, and x86 and ARM agree.
  -ffp-contract=off)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^armv7")
  # Notes that GCC 7.1 changed how some arguments are passed: nothing here is linked with older objects.
  target_compile_options(avg_options INTERFACE -Wno-psabi)
endif()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" OR CMAKE_SYSTEM_NAME STREQUAL "Android")
  # Android 15 and some ARM kernels map 16 KiB pages.
  target_link_options(avg_options INTERFACE LINKER:-z,max-page-size=16384)
endif()

if(AVG_SANITIZE)
  target_compile_options(avg_options INTERFACE
    -fsanitize=${AVG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -D_GLIBCXX_ASSERTIONS)
  target_link_options(avg_options INTERFACE -fsanitize=${AVG_SANITIZE})
elseif(AVG_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release")
  include(CheckIPOSupported)
  check_ipo_supported(RESULT AVG_HAVE_LTO LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${AVG_HAVE_LTO})
endif()
