// SPDX-License-Identifier: Apache-2.0
// The binding: org.avguard and libavguard_jni.so. Its unit tests run on the desktop's JVM; see README.md.
plugins { id("com.android.library") }

android {
    namespace = "org.avguard"
    compileSdk = 36
    ndkVersion = "28.2.13676358" // 16 KiB pages by default

    defaultConfig {
        minSdk = 29
        ndk { abiFilters += listOf("arm64-v8a") }
        externalNativeBuild {
            cmake {
                // Handed to the NDK's own toolchain file. XNNPACK's kernels and avguard share one C++ library.
                arguments += listOf("-DANDROID_STL=c++_shared", "-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON")
                targets += "avguard_jni"
            }
        }
    }

    externalNativeBuild {
        cmake {
            path = file("src/main/cpp/CMakeLists.txt")
            version = "3.28.0+"
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    testImplementation("junit:junit:4.13.2")
    testImplementation("org.json:json:20240303") // android.jar's own has no code on a desktop
}
