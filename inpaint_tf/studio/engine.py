"""The inpainters that pages can ask for by name, each of them loaded once."""

from __future__ import annotations

import threading
from typing import Any

from inpaint_tf.inference import Inpainter, load
from inpaint_tf.model_source import ModelSource, presets
from neuralgym_lite.errors import check_name


class Engine:
    """Loads inpainters when they are first needed, and keeps them.

    Only the source that it is given and the presets can be asked for, so that no request opens
    another file.

    Args:
        source: what `inpaint_tf.load` takes: the model of fills that name none.
        memory: bytes that a network may use for large photographs, as for `inpaint_tf.load`.

    Raises:
        UserError: if there is no such model.

    Example:
        >>> from inpaint_tf.studio.engine import Engine
        >>> Engine("telea").inpainter("telea").name
        'telea'
    """

    def __init__(self, source: str, memory: int | None = None) -> None:
        self.default = source
        self._memory = memory
        self._found = ModelSource.find(source)
        self._loaded: dict[str, Inpainter] = {}
        self._lock = threading.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether the default model is loaded."""
        return self.default in self._loaded

    def models(self) -> list[dict[str, Any]]:
        """Return what can be asked for: name, title, summary, and whether detail is its default."""
        found = {self.default: self._found} | {name: ModelSource.find(name) for name in presets()}
        summaries = presets()
        return [
            {
                "name": name,
                "title": source.name,
                "summary": summaries.get(name, "The model that was given."),
                "detail": source.default_detail,
            }
            for name, source in found.items()
        ]

    def inpainter(self, name: str = "") -> Inpainter:
        """Return an inpainter, loaded if it was not yet.

        Raises:
            UserError: if the name is none of `models`, or loading fails.
        """
        name = name or self.default
        check_name("model", name, {self.default, *presets()})
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load(name, memory=self._memory, engine="auto")
            return self._loaded[name]
