/**
 * Makes a guest of Debian's own i386 kernel: its package, the virtio modules in it, busybox, and an init that loads them
 * and tries console, entropy source and network. See --help.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureInstalled, fail, root } from "./install.mjs";

const HELP = `Usage: node scripts/stock-guest.mjs [--flavour 686|686-pae]

Downloads Debian's i386 kernel (50 MB, once) and busybox, and makes vmlinuz and initramfs.cpio of
them in guest-images/.build/stock/. The last lines say how to boot it. Needs apt-get and dpkg-deb;
nothing is installed.
`;

/** What init loads; what they depend on comes before them. */
const MODULES = ["virtio_mmio", "virtio_net", "virtio_console", "virtio-rng"];

/** Bytes of each bulk transfer. */
const BULK = 4_000_000;

const INIT = `#!/bin/busybox sh
# Loads the virtio drivers of a stock kernel and tries what they drive.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec < /dev/null > /dev/ttyS0 2>&1

failed() {
  echo "stock guest: FAILED: $*"
  dmesg | tail -n 20
  poweroff -f
}

echo "stock guest: $(uname -r), modules: $(cat /modules | tr '\\n' ' ')"
for module in $(cat /modules); do
  insmod /lib/$module.ko || failed "module $module could not be loaded"
done
tries=0
while [ ! -e /dev/hvc0 ] || [ ! -e /sys/class/net/eth0 ]; do
  tries=$((tries + 1))
  [ $tries -gt 100 ] && failed "there is no console or no network card"
  usleep 100000
done
exec > /dev/hvc0 2>&1
echo "stock guest: the console is connected"

grep -q virtio_rng /sys/class/misc/hw_random/rng_current || failed "no virtio entropy source"
[ "$(head -c 64 /dev/hwrng | wc -c)" = 64 ] || failed "the entropy source gives nothing"

ip link set lo up; ip link set eth0 up
udhcpc -q -n -i eth0 -s /lib/dhcp || failed "no address by DHCP"
ping -c 3 10.0.2.2 || failed "no answer to ping"

# Byte k of what the source sends is k % 256.
awk 'BEGIN { for (i = 0; i < 256; i++) printf "\\\\0%o", i }' > /tmp/octal
printf '%b' "$(cat /tmp/octal)" > /tmp/pattern
while [ $(stat -c %s /tmp/pattern) -lt ${BULK} ]; do
  cat /tmp/pattern /tmp/pattern > /tmp/twice && mv /tmp/twice /tmp/pattern
done
echo ${BULK} | nc 10.0.2.2 19 > /tmp/received
[ $(stat -c %s /tmp/received) = ${BULK} ] || failed "$(stat -c %s /tmp/received) bytes of ${BULK} came"
cmp -n ${BULK} /tmp/received /tmp/pattern || failed "received bytes are wrong"
echo "stock guest: received ${BULK} bytes by TCP"
head -c ${BULK} /tmp/pattern | nc 10.0.2.2 9 || failed "bytes could not be sent"
echo "stock guest: sent ${BULK} bytes by TCP"
nc 10.0.2.2 7 < /tmp/received | head -c ${BULK} | cmp - /tmp/received || failed "the echo is wrong"
echo "stock guest: ${BULK} bytes came back from the echo"

grep virtio /proc/interrupts
dmesg | grep -E 'BUG|WARNING|Oops|Call Trace' && failed "the kernel complains"
echo "stock guest: everything works"
poweroff -f
`;

const DHCP = `#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet up
route add default gw $router
`;

const options = parse();
const stock = join(root, "guest-images", ".build", "stock");
const work = join(stock, options.flavour);
const packages = join(stock, "packages");
mkdirSync(packages, { recursive: true });
ensureInstalled();
for (const tool of ["apt-get", "apt-cache", "dpkg-deb"]) {
  if (spawnSync(tool, ["--version"]).error) fail(`This needs a Debian system: there is no ${tool} here.`);
}

const kernel = kernelPackage(options.flavour);
const unpacked = {
  kernel: unpack(download(`${kernel}:i386`), join(work, "kernel")),
  busybox: unpack(download("busybox-static:i386"), join(work, "busybox")),
};
step("making the initramfs");
const { register } = await import("tsx/esm/api");
register();
const { packCpio } = await import(join(root, "src/boot/cpio.ts"));
const vmlinuz = only(unpacked.kernel, "boot/vmlinuz-[^/]+");
writeFileSync(join(work, "vmlinuz"), readFileSync(vmlinuz));
writeFileSync(join(work, "initramfs.cpio"), initramfs(packCpio));
const named = (name) => `guest-images/.build/stock/${options.flavour}/${name}`;
console.log(`${named("vmlinuz")} is ${kernel}. To boot it:
npm run -s vm -- --acpi --interrupts wired --doorbell shared --memory 128 --timeout 300 \\
  --kernel ${named("vmlinuz")} --initrd ${named("initramfs.cpio")} \\
  --until 'everything works'`);

function parse() {
  try {
    const { values } = parseArgs({
      options: { flavour: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    const flavour = values.flavour ?? "686";
    if (flavour !== "686" && flavour !== "686-pae")
      fail(`--flavour is "${flavour}": it can be 686 or 686-pae.`);
    return { flavour };
  } catch {
    return fail(`"${process.argv.slice(2).join(" ")}" is not what this takes: see --help.`);
  }
}

function step(what) {
  console.error(`[${Math.round(performance.now() / 1000)} s] ${what}`);
}

/** apt with lists of its own that know i386 too: dpkg on this machine stays as it is. */
function apt(tool, args, cwd = packages) {
  const state = join(stock, "apt");
  mkdirSync(join(state, "lists", "partial"), { recursive: true });
  mkdirSync(join(state, "cache", "archives", "partial"), { recursive: true });
  if (!existsSync(join(state, "status"))) writeFileSync(join(state, "status"), "");
  const settings = [
    "APT::Architectures=amd64,i386",
    `Dir::State::Lists=${state}/lists`,
    `Dir::State::Status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    "APT::Sandbox::User=root",
    "Acquire::Retries=3",
  ];
  return spawnSync(tool, [...settings.flatMap((setting) => ["-o", setting]), ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
}

/** Reads the package lists, once; what cannot be read is missed later, by name. */
function refresh() {
  if (refresh.done) return;
  refresh.done = true;
  step("reading package lists");
  apt("apt-get", ["-qq", "update"]);
}

/** The package with the kernel in it, for example linux-image-6.1.0-50-686: the one that is here, or the newest. */
function kernelPackage(flavour) {
  const here = packageFiles(`linux-image-[0-9.]+-[0-9]+-${flavour}`).at(-1);
  if (here !== undefined) return here.split("_")[0];
  refresh();
  const { stdout } = apt("apt-cache", ["depends", `linux-image-${flavour}:i386`]);
  const name = /Depends: (linux-image-\S+?)(?::i386)?\s/.exec(stdout)?.[1];
  return name ?? fail(`Debian's package linux-image-${flavour} for i386 cannot be had here.`);
}

function packageFiles(name) {
  return readdirSync(packages)
    .filter((file) => new RegExp(`^${name}_.*\\.deb$`).test(file))
    .sort();
}

/** Path of a package file, downloaded when it is not there. */
function download(name) {
  const [plain = name] = name.split(":");
  if (packageFiles(plain).length === 0) {
    refresh();
    step(`downloading ${plain}`);
    const { status, stderr } = apt("apt-get", ["-qq", "download", name]);
    if (status !== 0 || packageFiles(plain).length === 0)
      fail(
        `Debian's package ${name} cannot be had: ${stderr.trim().split("\n").at(-1) || "no such package"}`,
      );
  }
  return join(packages, packageFiles(plain).at(-1) ?? "");
}

function unpack(file, folder) {
  step(`unpacking ${file.split("/").at(-1)}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync("dpkg-deb", ["-x", file, folder], { encoding: "utf8" });
  if (status !== 0) fail(`${file} could not be unpacked: ${stderr.trim()}. Remove it, and try again.`);
  return folder;
}

/** The one file of that name, given as an expression, below a folder. */
function only(folder, pattern) {
  const found = readdirSync(folder, { recursive: true }).find((path) =>
    new RegExp(`(^|/)${pattern}$`).test(path),
  );
  return found === undefined ? fail(`There is no ${pattern} in the package.`) : join(folder, found);
}

/** Modules with what they depend on before them, by the modules' own words (section .modinfo). */
function modules() {
  const ordered = new Map();
  const add = (name) => {
    if (ordered.has(name)) return;
    const file = only(unpacked.kernel, `${name}\\.ko`);
    const bytes = readFileSync(file);
    const depends = /\0depends=([^\0]*)\0/.exec(bytes.toString("latin1"))?.[1] ?? "";
    for (const needed of depends.split(",").filter(Boolean)) add(needed);
    ordered.set(name, bytes);
  };
  MODULES.forEach(add);
  return ordered;
}

function initramfs(packCpio) {
  const FOLDER = 0o040755;
  const PROGRAM = 0o100755;
  const FILE = 0o100644;
  const text = (value) => new TextEncoder().encode(value);
  const loaded = modules();
  return packCpio([
    ...["bin", "dev", "lib", "proc", "sys", "tmp"].map((path) => ({ path, mode: FOLDER, bytes: text("") })),
    { path: "bin/busybox", mode: PROGRAM, bytes: readFileSync(join(unpacked.busybox, "bin/busybox")) },
    { path: "init", mode: PROGRAM, bytes: text(INIT) },
    { path: "lib/dhcp", mode: PROGRAM, bytes: text(DHCP) },
    { path: "modules", mode: FILE, bytes: text(`${[...loaded.keys()].join("\n")}\n`) },
    ...[...loaded].map(([name, bytes]) => ({ path: `lib/${name}.ko`, mode: FILE, bytes })),
  ]);
}
