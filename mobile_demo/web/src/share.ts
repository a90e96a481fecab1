// SPDX-License-Identifier: Apache-2.0
// The verdict's JSON to another app, or to the downloads where the browser shares no files.
const KEPT_MS = 60_000;
// The person closed the sheet, or it is still open.
const NO_FAILURE = ["AbortError", "InvalidStateError"];

/** Answers what to tell the person; nothing where the system has shown its own sheet. */
export async function share(json: string): Promise<string | null> {
  // Chrome refuses .json whatever canShare says: blink/renderer/modules/webshare/FILE_TYPES.md.
  const file = new File([json], "avguard.json.txt", { type: "text/plain" });
  if (navigator.canShare?.({ files: [file] })) {
    try {
      await navigator.share({ files: [file], title: "avguard verdict" });
      return null;
    } catch (failure) {
      if (failure instanceof DOMException && NO_FAILURE.includes(failure.name)) return null;
    }
  }
  return save(new File([json], "avguard.json", { type: "application/json" }));
}

function save(file: File): string {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: file.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
  return `Saved as ${file.name} in the downloads.`;
}
