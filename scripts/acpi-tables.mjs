/** `node scripts/acpi-tables.mjs FOLDER`: writes the ACPI tables of --acpi into a folder, a file each, for iasl to read. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, fail, root } from "./install.mjs";

const [folder, ...rest] = process.argv.slice(2);
if (folder === undefined || rest.length > 0 || folder.startsWith("-")) {
  const usage = "usage: node scripts/acpi-tables.mjs FOLDER   (then: iasl -d FOLDER/*.dat)";
  if (folder !== "--help" && folder !== "-h") fail(usage);
  console.log(usage);
  process.exit(0);
}
ensureInstalled();
const { register } = await import("tsx/esm/api");
register();
const { acpiTables } = await import(join(root, "src/boot/acpi.ts"));
const { BOOT_LAYOUT } = await import(join(root, "src/boot/layout.ts"));
const { ACPI_MACHINE } = await import(join(root, "src/machine/acpi.ts"));

mkdirSync(folder, { recursive: true });
for (const { signature, bytes } of acpiTables(BOOT_LAYOUT.acpi.address, ACPI_MACHINE)) {
  writeFileSync(join(folder, `${signature.trim().toLowerCase().replaceAll(" ", "-")}.dat`), bytes);
}
