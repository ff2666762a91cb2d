"""Downloads a file within limits of size and time."""

from __future__ import annotations

import http.client
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from neuralgym_lite.errors import UserError

TIMEOUT = 30.0
SLOWEST = 1024  # bytes per second

_BLOCK = 1 << 18
_ABSENT = (403, 404, 410)

OnProgress = Callable[[int, int | None], None]


class AbsentError(UserError):
    """A file does not exist at its URL or in its folder."""


def download(url: str, path: Path, limit: int, on_progress: OnProgress | None = None) -> None:
    """Download a file.

    Args:
        url: http or https URL; redirects are followed.
        path: the file to write. It may be incomplete if the download fails.
        limit: maximum size in bytes.
        on_progress: called with (bytes so far, total bytes or None if unknown).

    Raises:
        AbsentError: If there is no such file.
        UserError: If the download fails, is incomplete, too large or too slow.
    """
    try:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise _BadDownloadError("it must begin with http:// or https://")
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as file:
            _copy(response, file.write, limit, on_progress)
    except urllib.error.HTTPError as error:
        kind = AbsentError if error.code in _ABSENT else UserError
        error.close()
        raise kind(_failure(url, f"the server answers {error.code} {error.reason}")) from None
    except (OSError, http.client.HTTPException, ValueError, _BadDownloadError) as error:
        raise UserError(_failure(url, _reason(error))) from None


class _BadDownloadError(Exception):
    """The reason why a download failed."""


def _copy(
    response: http.client.HTTPResponse,
    write: Callable[[bytes], int],
    limit: int,
    on_progress: OnProgress | None,
) -> None:
    total = response.length
    if (total or 0) > limit:
        raise _BadDownloadError(
            f"it has {total:,} bytes, and {limit:,} are the most that it should"
        )
    done, start = 0, time.monotonic()
    while block := response.read1(_BLOCK):
        write(block)
        done += len(block)
        if done > limit:
            raise _BadDownloadError(f"it has more than the {limit:,} bytes that it should")
        seconds = time.monotonic() - start
        if seconds > TIMEOUT and done < SLOWEST * seconds:
            raise _BadDownloadError(f"{done:,} bytes came in {math.ceil(seconds)} seconds")
        if on_progress:
            on_progress(done, total)
    if total is not None and done < total:
        raise _BadDownloadError(f"it broke off after {done:,} of {total:,} bytes")


def _reason(error: Exception) -> str:
    if isinstance(error, _BadDownloadError):
        return str(error)
    cause = getattr(error, "reason", None)
    if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT:g} seconds"
    text = getattr(cause, "strerror", None) or getattr(error, "strerror", None) or error
    return f"{type(error).__name__}: {text}"


def _failure(url: str, reason: str) -> str:
    reason = " ".join(reason.split())
    return (
        f"'{url}' cannot be downloaded: {reason}. Try again, or fetch it by hand and name its "
        "folder with `source=DIR`"
    )
