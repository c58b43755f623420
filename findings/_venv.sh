# Sourced by the findings: sets PYTHON to one with the pinned packages.
if [ -z "${FINDINGS_VENV:-}" ]; then
    FINDINGS_VENV=$(mktemp -d)
    trap 'rm -rf "$FINDINGS_VENV"' EXIT
fi
PYTHON=$FINDINGS_VENV/bin/python
need() { # packages, pinned
    [ -x "$PYTHON" ] || python3 -m venv "$FINDINGS_VENV"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$@"
}
export TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow CUDA_VISIBLE_DEVICES=
