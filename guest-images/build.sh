#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the guest image: kernel, initramfs, manifest. Runs on Debian 12 (amd64). See README.md.
set -euo pipefail

usage="usage: build.sh [--update] [--work DIR] [--out DIR]
  --update    take the package versions that can be had now, and write them to packages.txt
  --work DIR  where to build (guest-images/.build/work)
  --out DIR   where vmlinux.gz, initramfs.cpio.gz and manifest.json go (public/guest)"

recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$recipe/.build/work
out=$recipe/../public/guest
debs=$recipe/.build/packages
update=

fail() {
	echo "guest image: $*" >&2
	exit 1
}

step() {
	printf '[%3ds] %s\n' "$SECONDS" "$*"
}

while [ $# -gt 0 ]; do
	case $1 in
	--update) update=1 ;;
	--work) work=${2:?$usage} && shift ;;
	--out) out=${2:?$usage} && shift ;;
	-h | --help) echo "$usage" && exit ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	shift
done

# The same bytes at any time, in any place and language.
export SOURCE_DATE_EPOCH=1767225600 # 2026-01-01
export KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 2026"
export KBUILD_BUILD_USER=doorbell KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1
export LC_ALL=C TZ=UTC LOCALVERSION=
unset CFLAGS LDFLAGS KCFLAGS MAKEFLAGS GZIP
umask 022

command -v apt-get >/dev/null || fail "this recipe needs a Debian system: there is no apt-get here."

# --- packages -----------------------------------------------------------------------------------

version_of() { # as packages.txt has it
	awk -v name="$1" '$1 == name { print $2 }' "$recipe/packages.txt"
}

pin() { # name version
	sed -i "s|^$1 .*|$1 $2|" "$recipe/packages.txt"
}

# The lists of i386 and of sources are apart from this machine's: dpkg here stays as it is, and one list that cannot be
# read takes no other with it.
kind_of() { # name
	case $1 in
	*:i386) echo i386 ;;
	*:source) echo source ;;
	*) echo amd64 ;;
	esac
}

private_apt() { # kind tool argument...
	local state=$debs/apt/$1 architecture=${1/source/amd64} tool=$2
	shift 2
	"$tool" -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
		-o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts="$state/sources.list.d" \
		-o Dir::State::Lists="$state/lists" -o Dir::State::Status="$state/status" -o Dir::Cache="$state/cache" \
		-o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}

refresh_lists() { # kind
	local state=$debs/apt/$1
	[ -f "$state/refreshed" ] && [ "$(<"$state/refreshed")" = $$ ] && return
	rm -rf "$state/sources.list.d"
	mkdir -p "$state/sources.list.d" "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	: >"$state/sources.list"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		[ -f "$file" ] && grep -q debian-security "$file" && cp "$file" "$state/sources.list.d/"
	done
	[ "$1" != source ] ||
		sed -i 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$state"/sources.list.d/*
	private_apt "$1" apt-get -qq update >"$state/update.log" 2>&1 ||
		echo "  package lists: not all could be read, see $state/update.log"
	echo $$ >"$state/refreshed"
}

available() { # name
	local kind
	kind=$(kind_of "$1")
	refresh_lists "$kind" >&2
	if [ "$kind" = source ]; then
		private_apt source apt-cache showsrc --only-source "${1%:source}" |
			awk '$1 == "Version:" { print $2 }' | sort -V | tail -1
	else
		private_apt "$kind" apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }'
	fi
}

fetch() { # name: leaves in $package the path of the package's file, or of the folder with a source package's files
	local name=$1 version kind get=download
	version=$(version_of "$name")
	kind=$(kind_of "$name")
	if [ -n "$update" ]; then
		version=$(available "$name")
		[ -n "$version" ] || fail "no package $name can be had."
		pin "$name" "$version"
	fi
	package=$debs/${name/:/_}_${version//:/%3a}
	if [ ! -e "$package" ]; then
		refresh_lists "$kind"
		rm -rf "$debs/new" && mkdir "$debs/new"
		[ "$kind" != source ] || get="source --download-only"
		# shellcheck disable=SC2086 # two words
		(cd "$debs/new" && private_apt "$kind" apt-get -qq $get "${name%:source}=$version" >"$debs/download.log" 2>&1) ||
			fail "package $name $version cannot be had; Debian now has $(available "$name")." \
				"'build.sh --update' takes that one."
		if [ "$kind" = source ]; then mv "$debs/new" "$package"; else mv "$debs"/new/*.deb "$package"; fi
	fi
}

installed() {
	dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'
}

mkdir -p "$debs" "$out"
missing=()
for name in gcc-12 lib32gcc-12-dev binutils libdeflate-tools make flex bison bc perl patch bzip2 xz-utils; do
	[ -n "$(installed "$name")" ] || missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
	step "installing ${missing[*]}"
	[ "$(id -u)" = 0 ] || fail "these packages are missing, install them as root: ${missing[*]}"
	apt-get -qq update >/dev/null || true
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null ||
		fail "could not install ${missing[*]}."
fi
for name in gcc-12 lib32gcc-12-dev binutils libdeflate-tools; do
	here=$(installed "$name")
	[ -n "$update" ] && pin "$name" "$here"
	[ "$here" = "$(version_of "$name")" ] ||
		fail "$name is $here here and $(version_of "$name") in packages.txt: other bytes would come out." \
			"'build.sh --update' takes what is here."
done

# --- sources ------------------------------------------------------------------------------------

step "fetching and unpacking the sources"
rm -rf "$work" && mkdir -p "$work/tools" "$work/root"
work=$(cd "$work" && pwd)
out=$(cd "$out" && pwd)

tarball=/usr/src/linux-source-6.1.tar.xz
if [ "$(installed linux-source-6.1)" != "$(version_of linux-source-6.1)" ] || [ ! -f $tarball ] || [ -n "$update" ]; then
	fetch linux-source-6.1
	dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work" ./usr/src
	tarball=$work$tarball
fi
tar -xf "$tarball" -C "$work"
linux=$work/linux-source-6.1
fetch musl-dev:i386 && dpkg-deb -x "$package" "$work/musl"
fetch busybox:source
busybox=$work/busybox
mkdir "$busybox"
tar -xf "$package"/*.orig.tar.* -C "$busybox" --strip-components=1
tar -xf "$package"/*.debian.tar.* -C "$busybox"
grep '^[^#]' "$busybox/debian/patches/series" | while read -r patch; do
	patch -d "$busybox" -p1 -s --no-backup-if-mismatch -F0 <"$busybox/debian/patches/$patch" ||
		fail "$patch of Debian's busybox does not apply."
done

for patch in "$recipe"/kernel/patches/*.patch; do
	patch -d "$linux" -p1 -s --no-backup-if-mismatch -F0 <"$patch" || fail "${patch##*/} does not apply."
done
bash "$recipe/kernel/check-patches.sh" "$linux"
# Each line names a function; what the compiler split off as unlikely has a section of another name.
sed -E 's/^(.*)\.cold$/unlikely.\1/; s/.*/*(.text.&)/' "$recipe/kernel/text-order" \
	>"$linux/arch/x86/kernel/text-order.h"

# --- kernel -------------------------------------------------------------------------------------

kernel_make() {
	make -s -C "$linux" ARCH=i386 CC=gcc-12 HOSTCC=gcc-12 "$@"
}

step "configuring the kernel"
kernel_make KCONFIG_ALLCONFIG="$recipe/kernel/doorbell.config" allnoconfig
kernel_make olddefconfig
lost=$(grep -E '^(CONFIG_|# CONFIG_.* is not set$)' "$recipe/kernel/doorbell.config" |
	grep -vxF -f "$linux/.config" || true)
[ -z "$lost" ] || fail "these lines of doorbell.config did not survive: $lost"

step "building the kernel, which takes some minutes"
kernel_make -j"$(nproc)" vmlinux bzImage >"$work/kernel.log" 2>&1 ||
	{ tail -20 "$work/kernel.log" >&2; fail "the kernel did not build, see $work/kernel.log."; }
if [ -s "$work/kernel.log" ]; then
	cat "$work/kernel.log" >&2
	fail "the kernel built with warnings."
fi
strip -o "$work/vmlinux" "$linux/vmlinux"
# The same kernel for v86's own way to boot: what 'npm run bench -- boot' compares with.
cp "$linux/arch/x86/boot/bzImage" "$recipe/.build/bzImage"
release=$(kernel_make kernelrelease)

# --- programs: static, with musl and the kernel's headers ----------------------------------------

step "building BusyBox and the tools"
kernel_make headers
lib=$work/musl/usr/lib/i386-linux-musl
cat >"$work/musl.specs" <<-EOF
	*link_libgcc:
	-L$lib

	*libgcc:
	libgcc.a%s

	*startfile:
	$lib/crt1.o $lib/crti.o

	*endfile:
	$lib/crtn.o

	*link:
	-m elf_i386 -nostdlib -static --build-id=none
EOF
compiler="gcc-12 -m32 -march=i686 -mtune=generic -specs=$work/musl.specs -fno-pie -no-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables -nostdinc -isystem $work/musl/usr/include/i386-linux-musl \
	-isystem $(gcc-12 -print-file-name=include) -isystem $linux/usr/include"

busybox_make() {
	make -s -C "$busybox" CC="$compiler" HOSTCC=gcc-12 "$@"
}

# BusyBox's kconfig forgets a list that is given to allnoconfig: say "no" to the others by name.
config=$recipe/busybox/busybox.config
busybox_make allnoconfig >"$work/busybox.log" 2>&1
{
	cat "$config"
	find "$busybox" -name Config.in -exec sed -n 's/^[[:space:]]*config \([A-Z0-9_]*\)$/CONFIG_\1/p' {} + | sort -u |
		grep -vxF -f <(sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1/p' "$config") | sed 's/.*/# & is not set/'
} >"$busybox/.config"
(yes "" || true) | busybox_make oldconfig >>"$work/busybox.log" 2>&1
lost=$(grep '^CONFIG_' "$config" | grep -vxF -f "$busybox/.config" || true)
[ -z "$lost" ] || fail "these lines of busybox.config did not survive: $lost"
busybox_make -j"$(nproc)" busybox busybox.links >>"$work/busybox.log" 2>&1 ||
	{ tail -20 "$work/busybox.log" >&2; fail "BusyBox did not build, see $work/busybox.log."; }

tool() { # name source...
	local name=$1
	shift
	(cd "$recipe/tools" && $compiler -std=gnu11 -Os -ffunction-sections -fdata-sections -Wall -Wextra -Werror \
		-Wl,--gc-sections -s -o "$work/tools/$name" "$@") || fail "$name did not build."
}

tool agent agent.c agent-jobs.c
for name in dhcp-event init irqtop nicinfo ringbreaker tcp_rr udp_rr; do
	tool $name $name.c
done

# --- initramfs ----------------------------------------------------------------------------------

step "packing the initramfs"
cp -r "$recipe/rootfs/etc" "$work/root/etc"
sed 's|.*/||' "$busybox/busybox.links" | sort -u >"$work/root/etc/applets"
[ "$(stat -c %s "$work/root/etc/applets")" -lt 4096 ] || fail "/init takes fewer applets than BusyBox has."
find "$work/root" "$work/tools" "$busybox" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
gcc-12 -O1 -o "$work/gen_init_cpio" "$linux/usr/gen_init_cpio.c"
BUSYBOX=$busybox ROOTFS=$work/root TOOLS=$work/tools \
	"$work/gen_init_cpio" -t $SOURCE_DATE_EPOCH "$recipe/rootfs/initramfs.list" >"$work/initramfs.cpio"

# --- outputs ------------------------------------------------------------------------------------

step "compressing"
for file in vmlinux initramfs.cpio; do
	libdeflate-gzip -12 -c "$work/$file" >"$out/$file.gz"
done

# Over everything that decides about the outputs; tests/unit/guest-image.spec.ts computes the same.
input_hash=$(cd "$recipe" && find build.sh packages.txt busybox kernel/doorbell.config kernel/patches kernel/text-order rootfs tools -type f |
	sort | xargs sha256sum | sha256sum | cut -d' ' -f1)

describe() { # file uncompressed
	printf '"file": "%s", "bytes": %d, "sha256": "%s", "uncompressedBytes": %d' "$1" \
		"$(stat -c %s "$out/$1")" "$(sha256sum <"$out/$1" | cut -d' ' -f1)" "$(stat -c %s "$2")"
}

{
	printf '{\n  "schema": 1,\n'
	printf '  "kernel": { "version": "%s", %s },\n' "$release" "$(describe vmlinux.gz "$work/vmlinux")"
	printf '  "initramfs": { %s },\n' "$(describe initramfs.cpio.gz "$work/initramfs.cpio")"
	printf '  "inputs": {\n    "hash": "%s",\n    "packages": {' "$input_hash"
	awk '/^[a-z]/ { printf "%s\n      \"%s\": \"%s\"", comma, $1, $2; comma = "," }' "$recipe/packages.txt"
	printf '\n    }\n  }\n}\n'
} >"$out/manifest.json"

total=$(($(stat -c %s "$out/vmlinux.gz") + $(stat -c %s "$out/initramfs.cpio.gz")))
[ $total -le $((4 * 1024 * 1024)) ] || fail "kernel and initramfs together are $total bytes, more than 4 MiB."
step "done: Linux $release, $total bytes in $out"
