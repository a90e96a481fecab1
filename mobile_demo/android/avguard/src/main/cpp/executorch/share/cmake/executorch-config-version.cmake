# SPDX-License-Identifier: Apache-2.0
# The release that README.md says to build; cpp/cmake/executorch.cmake asks for one that serves the bundle.
set(PACKAGE_VERSION 1.5.1)
set(PACKAGE_VERSION_COMPATIBLE TRUE)
