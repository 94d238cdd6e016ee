#!/usr/bin/env bash
#
# What: python-isal compresses as gzip, many times as fast as zlib, with the same calls. At level 3 its output depends
#   on how the input was cut into writes: one call with all bytes, calls of 64 KiB, of 16 KiB and of 512 bytes give four
#   different files. At levels 1 and 2 only the calls of 512 bytes give another file, which is how a tar comes: a
#   header, a file, a filling. All unpack to the same bytes. At level 0 the cuts leave no trace, nor do they with zlib.
#
# Seen with: isal 1.9.1 from PyPI on x86-64: on an AMD EPYC, and, but for the calls of 512 bytes, with qemu playing a
#   Nehalem and a Haswell. Which bytes come out at level 3 differs between the three, so the script compares no fixed ones.
#
# Why one would guess otherwise: a "drop-in replacement" of zlib, one thread, no flush, no time in the header, and cuts of a
#   usual size that leave no trace at three of four levels. A compressor is taken for a function of bytes and level.
#
# In whose way: whoever names compressed bytes by their hash, as registries name layers, and expects the same from the
#   same content. Another copy buffer, a file object in between that gathers writes (gzip.GzipFile does since Python
#   3.12), a source that is a socket: the layer is pushed again under a new digest.
#   Instead: gather the input to pieces of one size before it is compressed; or compare what is inside (diff_id).

set -euo pipefail

if [ "$(uname -m)" != x86_64 ]; then
    echo "this was seen on x86-64 only, and this machine is $(uname -m)"
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_CACHE_DIR="$work/cache" PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --only-binary :all: isal==1.9.1

cat >"$work/try.py" <<'PYTHON'
import hashlib
import sys
import zlib
from importlib.metadata import version

from isal import isal_zlib

WORDS = [b"alpha ", b"beta ", b"gamma", b"\n"]


def numbers(count):
    """Bytes that look random and are the same everywhere."""
    for block in range(count):
        yield from hashlib.sha256(block.to_bytes(4, "big")).digest()


DATA = b"".join(WORDS[each % 4] for each in numbers(2000))
PIECES = (len(DATA), 65536, 16384, 512)


def compressed(module, level, piece):
    """DATA as gzip, handed over in pieces of so many bytes."""
    compressor = module.compressobj(level, module.DEFLATED, 31)
    parts = [compressor.compress(DATA[start : start + piece]) for start in range(0, len(DATA), piece)]
    return b"".join(parts) + compressor.flush()


print(f"Python {sys.version.split()[0]}, zlib {zlib.ZLIB_RUNTIME_VERSION}, isal {version('isal')}")
print(f"{len(DATA)} bytes handed over at once, in pieces of 65536, of 16384, of 512:")
different = []
for module, levels in ((zlib, (1, 6, 9)), (isal_zlib, (0, 1, 2, 3))):
    for level in levels:
        made = [compressed(module, level, piece) for piece in PIECES]
        if any(zlib.decompress(each, 31) != DATA for each in made):
            different.append(f"{module.__name__} level {level} does not give back what it got")
        outputs = len(set(made))
        shown = ", ".join(f"{hashlib.sha256(each).hexdigest()[:12]} ({len(each)} bytes)" for each in made)
        print(f"  {module.__name__} level {level}: {outputs} output(s): {shown}")
        expected = {1: 2, 2: 2, 3: 4}.get(level, 1) if module is isal_zlib else 1
        if outputs != expected:
            different.append(f"{module.__name__} level {level} has {outputs} outputs, not {expected}")
if different:
    print("changed: " + "; ".join(different))
    sys.exit(1)
print("as described")
PYTHON

"$work/venv/bin/python" "$work/try.py"
