/** The kernel's command line, with the device list made from the machine's own maps. */
import type { TransportKind } from "../metrics/counters.ts";
import { DEVICE_LINES } from "./interrupt-map.ts";
import { type DeviceName, WINDOW_SIZE, WINDOWS } from "./memory-map.ts";
import type { NetworkCard } from "./types.ts";

/** What every guest is told, and why. */
const COMMON = [
  // The serial port gets what goes wrong before the virtio console is there; the last console is /dev/console.
  "console=ttyS0",
  "console=hvc0",
  // Only what is critical goes to the consoles, all of it to dmesg. (One level more, and every boot would begin with
  // the kernel's complaint that pci=off leaves it no PCI bus.)
  "loglevel=3",
  // A panic ends the run at once instead of spinning: the machine sees the reset.
  "panic=-1",
  // The keyboard controller's reset line is the one reset that v86 has.
  "reboot=k",
  // The emulated CPU's TSC is the host's clock: nothing to watch over.
  "tsc=reliable",
  "no_timer_check",
  // A transmitted frame is gone when its notification returns: its completion needs no interrupt of its own
  // (docs/decisions/0004-transmit-completions.md).
  "virtio_net.napi_tx=0",
] as const;

/**
 * A hardware-reduced machine has no timer that the TSC's frequency could be measured by, and CPUID does not tell it:
 * v86's TSC counts nanoseconds.
 */
const WITH_ACPI = ["pci=off", "tsc_early_khz=1000000"] as const;

/**
 * How the kernel finds its devices: by ACPI tables, or else on mmio it is told, and on PCI it looks, the one way there is
 * and without trying it. Without tables there is nothing behind the ACPI ports that v86 has: no probing there.
 */
function discovery(transport: TransportKind, networkCard: NetworkCard, acpi: boolean): readonly string[] {
  if (acpi) return WITH_ACPI;
  const names = (Object.keys(WINDOWS) as DeviceName[]).filter(
    (name) => networkCard === "doorbell" || name !== "net0",
  );
  return [
    "acpi=off",
    transport === "pci" || networkCard === "v86" ? "pci=conf1" : "pci=off",
    ...(transport === "mmio" ? deviceArguments(names) : []),
  ];
}

/** `virtio_mmio.device=<size>@<base>:<irq>` for each device (Linux admin guide, kernel-parameters). */
export function deviceArguments(names = Object.keys(WINDOWS) as DeviceName[]): string[] {
  return names.map(
    (name) =>
      `virtio_mmio.device=${WINDOW_SIZE / 1024}K@0x${WINDOWS[name].toString(16)}:${DEVICE_LINES[name]}`,
  );
}

/** The whole command line; what is appended comes last and so wins. */
export function commandLine(
  append = "",
  transport: TransportKind = "mmio",
  networkCard: NetworkCard = "doorbell",
  acpi = false,
): string {
  const appended = append.split(/\s+/).filter((word) => word !== "");
  return [...COMMON, ...discovery(transport, networkCard, acpi), ...appended].join(" ");
}
