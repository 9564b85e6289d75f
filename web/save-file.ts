/** Gives the person a file, as a download. */
export function saveFile(name: string, type: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes its copy of the URL when the download starts, not when click() returns.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
