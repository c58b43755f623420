# Sourced by the other scripts: makes or reuses a virtual environment, and installs into it.

VENV=.venv

find_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON to its path." >&2
    return 1
}

install() { # what pip takes, for example . or -e '.[test]'
    if [ ! -x "$VENV/bin/python" ]; then
        "$(find_python)" -m venv "$VENV"
    fi
    echo "Installing into $VENV (a few minutes the first time) ..."
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

install_editable() { # with tests, in pinned versions; again only if one of these files has changed
    if [ ! .venv/installed -nt setup.cfg ] || [ ! .venv/installed -nt pyproject.toml ] ||
        [ ! .venv/installed -nt constraints.txt ]; then
        install -c constraints.txt -e '.[test]'
        touch .venv/installed
    fi
}
