// SPDX-License-Identifier: Apache-2.0
plugins { id("com.android.application") }

android {
    namespace = "org.avguard.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.avguard.demo"
        minSdk = 29
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }

    // The bundle that `pip install avguard` ships, mapped from the package as it lies there.
    sourceSets["main"].assets.srcDir("../../../avguard/models")
    androidResources {
        noCompress += listOf("pte", "json")
        ignoreAssetsPattern = "*.py:__pycache__" // NOTICE.md goes along
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(project(":avguard"))
    implementation("androidx.activity:activity:1.10.1") // asks for files and permissions
    implementation("androidx.camera:camera-camera2:1.4.2")
    implementation("androidx.camera:camera-lifecycle:1.4.2")
    implementation("androidx.camera:camera-view:1.4.2")
}
