#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the kernel's own style checker over the patches. Usage: check-patches.sh [kernel source tree]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
linux=${1:-$here/../.build/work/linux-source-6.1}

[ -f "$linux/scripts/checkpatch.pl" ] || {
	echo "check-patches: no kernel source in $linux: run guest-images/build.sh first." >&2
	exit 1
}
cd "$linux"
perl scripts/checkpatch.pl --strict --no-summary --quiet "$here"/patches/*.patch ||
	{ echo "check-patches: see above." >&2 && exit 1; }
echo "  $(ls "$here"/patches/*.patch | wc -l) patches: checkpatch.pl --strict has nothing to say"
