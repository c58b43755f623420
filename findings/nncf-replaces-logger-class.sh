#!/usr/bin/env bash
# Importing NNCF makes its own class that of all loggers which the process makes from then on.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need openvino==2026.4.1 nncf==3.4.0
"$PYTHON" - <<'PYTHON'
import logging

before = logging.getLoggerClass()
import nncf

print("nncf", nncf.__version__)
print("expected: loggers of other programs are of the class that they were of before")
print("before:", before.__name__, " after:", type(logging.getLogger("mine")).__name__)
raise SystemExit(type(logging.getLogger("mine")) is before)
PYTHON
