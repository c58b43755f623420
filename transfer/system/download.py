"""Downloads of bounded size and time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.system.progress import bar

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_CHUNK = 1 << 20
_SILENCE = 30.0  # seconds without a byte
_SECONDS = 6 * 3600.0


def download(
    url: str,
    path: Path,
    label: str,
    *,
    most: int,
    seconds: float = _SECONDS,
    silence: float = _SILENCE,
) -> None:
    """Download an address to `path`, with a progress bar.

    Only http and https are followed, also in redirects: an address must not lead to a local file.

    Args:
        url: The address.
        path: The file to write; replaced if it exists.
        label: Name of the bar.
        most: Maximum number of bytes.
        seconds: Maximum duration of the download.
        silence: Maximum number of seconds without a byte.

    Raises:
        OSError, http.client.HTTPException, ValueError: The download failed, broke off, or
            exceeds a limit; a part may be at `path`.
    """
    from urllib.error import HTTPError

    end = time.monotonic() + seconds
    try:
        response = _opener().open(url, timeout=silence)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise
    with response, path.open("wb") as file:
        expected = response.length or 0  # http.client reads no further; 0 where it was not stated
        if expected > most:
            raise ValueError(f"it has {expected:,} bytes; expected at most {most:,}")
        with bar(label, expected) as advance:
            while chunk := response.read1(_CHUNK):  # what has arrived; read() waits for all of it
                if file.tell() + len(chunk) > most:
                    raise ValueError(f"it has more than {most:,} bytes")
                if time.monotonic() > end:
                    raise TimeoutError(f"it was not complete after {seconds:,.0f} seconds")
                file.write(chunk)
                advance(len(chunk))
        if expected and file.tell() != expected:
            raise ValueError(f"it broke off after {file.tell():,} of {expected:,} bytes")


def _opener() -> OpenerDirector:
    """Return an opener for http and https only; urllib's own also opens file, ftp and data."""
    from urllib import request  # 30 ms, rarely needed

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
