#!/usr/bin/env bash
# Pillow reads compressed big-endian TIFF files of float or signed values with their bytes swapped.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$PYTHON" - <<'PYTHON'
import io

import numpy as np
import PIL
import tifffile
from PIL import Image

print("pillow", PIL.__version__, "tifffile", tifffile.__version__)
values = np.arange(12).reshape(3, 4)
wrong = {}
for kind in ("u2", "i2", "f4"):
    for order in ("<", ">"):
        for compression in (None, "zlib"):
            file = io.BytesIO()
            tifffile.imwrite(file, values.astype(kind), byteorder=order, compression=compression)
            file.seek(0)
            same = np.array_equal(tifffile.imread(file), values)
            file.seek(0)
            try:
                seen = np.array(Image.open(file), np.float64)
                result = "right" if np.array_equal(seen, values) else f"wrong: first row {seen[0].tolist()}"
            except Exception as error:
                result = f"{type(error).__name__}: {error}"
            wrong[kind, order, compression] = result
            print(f"{kind} {order} {compression}: tifffile {'right' if same else 'wrong'}, Pillow {result}")
print("expected: only compressed big-endian i2 and f4 are wrong, without an error")
found = {key for key, result in wrong.items() if result.startswith("wrong")}
raise SystemExit(found != {("i2", ">", "zlib"), ("f4", ">", "zlib")})
PYTHON
