"""The documents of all pages, with a limit on what they take."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from pathlib import Path

from inpaint_tf.studio.document import Document, GoneError
from inpaint_tf.studio.folder import Folder
from neuralgym_lite.images import SUFFIXES
from neuralgym_lite.limits import MAX_PIXELS

MOST_DOCUMENTS = 64
MOST_PIXELS = 2 * MAX_PIXELS  # that are held in memory, decoded
MOST_BYTES = 8 * 10**9  # on disk


class Documents:
    """The photographs that pages have open.

    The least recently used ones are released from memory above 128 megapixels, and forgotten above
    64 documents or 8 GB of temporary files. A page whose document is forgotten opens it again.

    Example:
        >>> from inpaint_tf.studio.documents import Documents
        >>> documents = Documents()
        >>> documents.close()
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inpaint-tf-studio-"))
        self._open: dict[str, Document] = {}  # the most recently used is the last
        self._lock = threading.Lock()

    def place(self, name: str) -> Path:
        """Return an unused path for a file that a page sends."""
        folder = self.folder / secrets.token_urlsafe(16)
        folder.mkdir()
        suffix = Path(name).suffix.lower()
        return folder / f"original{suffix if suffix in SUFFIXES else ''}"

    def discard(self, file: Path) -> None:
        """Remove a file at a path of `place`, with its folder."""
        shutil.rmtree(file.parent, ignore_errors=True)

    def open_sent(self, file: Path, name: str) -> Document:
        """Open a file that a page has sent, which is at a path of `place`.

        Raises:
            ImageError: if it is no photograph.
        """
        return self._add(Document(file.parent.name, file, file.parent, name))

    def open_listed(self, folder: Folder, relative: str) -> Document:
        """Open a photograph of the folder that is served.

        Raises:
            UserError: if there is no such photograph, or it cannot be read.
        """
        source = folder.locate(relative)
        place = self.place(relative)
        key = place.parent.name
        try:
            return self._add(Document(key, source, place.parent, source.name, relative))
        except Exception:
            self.discard(place)
            raise

    def get(self, key: str) -> Document:
        """Return an open document.

        Raises:
            GoneError: if it is not open, or no longer.
        """
        with self._lock:
            if key not in self._open:
                raise GoneError("The photograph is not open on the server any more")
            self._open[key] = document = self._open.pop(key)
            self._release(document)
            return document

    def forget(self, key: str) -> None:
        """Close a document, if it is open."""
        with self._lock:
            if self._open.pop(key, None):
                shutil.rmtree(self.folder / key, ignore_errors=True)

    def close(self) -> None:
        """Remove all temporary files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, document: Document) -> Document:
        with self._lock:
            self._open[document.key] = document
            self._release(document)
            while len(self._open) > 1 and (
                len(self._open) > MOST_DOCUMENTS or self._bytes() > MOST_BYTES
            ):
                oldest = next(iter(self._open))
                del self._open[oldest]
                shutil.rmtree(self.folder / oldest, ignore_errors=True)
        return document

    def _release(self, used: Document) -> None:
        """Release the least recently used pixels above the limit."""
        held = sum(document.pixels for document in self._open.values())
        for document in self._open.values():
            if held <= MOST_PIXELS or document is used:
                return
            held -= document.pixels
            document.release()

    def _bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
