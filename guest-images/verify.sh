#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the guest image again in a new folder and compares it with the one in public/guest.
set -euo pipefail

recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
outputs=$recipe/../public/guest
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

[ -f "$outputs/manifest.json" ] || {
	echo "guest image: there is no public/guest/manifest.json to compare with." >&2
	exit 1
}

# What the manifest was built from, and what the recipe says now.
differences=$(awk '/^[a-z]/ { print "      \"" $1 "\": \"" $2 "\"" }' "$recipe/packages.txt" |
	diff <(sed -n '/"packages"/,/}/p' "$outputs/manifest.json" | grep '": "' | tr -d ,) - || true)
if [ -n "$differences" ]; then
	echo "guest image: packages.txt is not what the manifest (<) was built from:" >&2
	echo "$differences" | grep '^[<>]' >&2
	exit 1
fi

# A package that cannot be had any more, or a tool of another version here, ends this with a sentence.
bash "$recipe/build.sh" --work "$folder/work" --out "$folder/out" || exit 1

status=0
for file in vmlinux.gz initramfs.cpio.gz; do
	built=$(sha256sum <"$folder/out/$file" | cut -d' ' -f1)
	if ! grep -q "\"file\": \"$file\".*\"sha256\": \"$built\"" "$outputs/manifest.json"; then
		echo "$file: another one came out, $built" >&2
		status=1
	elif ! cmp -s "$folder/out/$file" "$outputs/$file"; then
		echo "$file: the manifest is right, but the file in public/guest is not the one it describes" >&2
		status=1
	else
		echo "$file: the same bytes"
	fi
done
exit $status
