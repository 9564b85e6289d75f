/**
 * v86's own way to boot, for comparison: a BIOS, a bzImage that the BIOS's boot loader enters and that inflates itself, an
 * initramfs, the serial port as console. By v86's public interface only, and with nothing of ours in between.
 */
import { V86 } from "v86";
import type { BootMoment } from "./protocol.ts";

const MIB = 2 ** 20;
/** v86 puts the initramfs at 64 MiB. */
const MEMORY = 128 * MIB;
/** What can be told from the command line alone; what is critical goes to the console, as with ours. */
const COMMAND_LINE = "console=ttyS0 loglevel=3 tsc=reliable no_timer_check";
const LIMIT = 120_000;

/** v86's module, which its promise compiles, and the initramfs, gzip'd. */
export interface PeerFiles {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly initramfs: Uint8Array<ArrayBuffer>;
}

export interface BiosImage {
  readonly system: Uint8Array<ArrayBuffer>;
  readonly vga: Uint8Array<ArrayBuffer>;
  readonly bzImage: Uint8Array<ArrayBuffer>;
}

/** Whether the shell waits for a command: "# " at the end, or "$ ", perhaps with a colour after it. */
export function endsWithPrompt(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's escape sequences begin with one
  return /[#$] (?:\x1b\[[0-9;?]*[A-Za-z])*$/.test(text);
}

/** Resolves when the prompt is there; times count from `started`. Rejects with a sentence when it does not come. */
export async function bootByBios(
  { wasm, initramfs }: PeerFiles,
  { system, vga, bzImage }: BiosImage,
  started: number,
): Promise<BootMoment[]> {
  const moments: BootMoment[] = [];
  const emulator = new V86({
    wasm_fn: async (imports: WebAssembly.Imports) =>
      (await WebAssembly.instantiate(wasm, imports)).instance.exports,
    memory_size: MEMORY,
    vga_memory_size: 2 * MIB,
    bios: { buffer: system.buffer },
    vga_bios: { buffer: vga.buffer },
    bzimage: { buffer: bzImage.buffer },
    initrd: { buffer: initramfs.buffer },
    cmdline: COMMAND_LINE,
    acpi: true,
    autostart: false,
    disable_speaker: true,
    net_device: { type: "virtio", relay_url: "fetch" },
  } as ConstructorParameters<typeof V86>[0]);
  const note = (what: BootMoment["what"]): void => {
    moments.push({
      what,
      milliseconds: performance.now() - started,
      guestInstructions: emulator.get_instruction_counter(),
    });
  };
  try {
    await new Promise<void>((resolve) => emulator.add_listener("emulator-loaded", () => resolve()));
    note("created");
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`There is no prompt ${LIMIT / 1000} s after the start.`)),
        LIMIT,
      );
      let text = "";
      emulator.add_listener("serial0-output-byte", (byte: number) => {
        if (text === "") note("first-word");
        text += String.fromCharCode(byte);
        if (!endsWithPrompt(text)) return;
        clearTimeout(limit);
        note("prompt");
        resolve();
      });
      note("started");
      void emulator.run();
    });
    return moments;
  } finally {
    await emulator.destroy();
  }
}
