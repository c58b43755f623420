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
    """Write the content of an address to `path`, with a progress bar.

    Only http and https are followed, also in redirects: an address must not become a local file.

    Args:
        url: The address.
        path: The file to write; replaced where it exists.
        label: What the bar is called.
        most: Most bytes that are accepted.
        seconds: Most seconds that the content may take.
        silence: Most seconds without a byte.

    Raises:
        OSError, http.client.HTTPException, ValueError: It failed, broke off, or exceeds a limit;
            a part may be at `path`.
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
            while chunk := response.read1(_CHUNK):  # what is there: read() would wait for all of it
                if file.tell() + len(chunk) > most:
                    raise ValueError(f"it has more than {most:,} bytes")
                if time.monotonic() > end:
                    raise TimeoutError(f"it was not complete after {seconds:,.0f} seconds")
                file.write(chunk)
                advance(len(chunk))
        if expected and file.tell() != expected:
            raise ValueError(f"it broke off after {file.tell():,} of {expected:,} bytes")


def _opener() -> OpenerDirector:
    """Return what opens http and https alone; urllib's own also opens file, ftp and data."""
    from urllib import request  # 30 ms, for a rare need

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
