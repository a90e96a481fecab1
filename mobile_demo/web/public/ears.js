// SPDX-License-Identifier: Apache-2.0
// Hands the microphone's sound to the page in blocks, mono, with the time of the first sample.
const BLOCK = 2048;
registerProcessor("ears", class extends AudioWorkletProcessor {
  samples = new Float32Array(BLOCK);
  filled = 0;
  at_s = 0;

  process([channels]) {
    if (!channels.length) return true;
    if (this.filled === 0) this.at_s = currentTime;
    for (let i = 0; i < channels[0].length; ++i) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.samples[this.filled++] = sum / channels.length;
    }
    if (this.filled === BLOCK) {
      this.port.postMessage({ at_s: this.at_s, samples: this.samples }, [this.samples.buffer]);
      this.samples = new Float32Array(BLOCK);
      this.filled = 0;
    }
    return true;
  }
});
