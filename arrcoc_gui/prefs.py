"""What the app remembers between starts: window, page, selection, theme. One JSON file in the state
directory.

It is small and lost without harm: a file that cannot be read is an empty one, which `problem` tells.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Prefs:
    """`get` and `set`, JSON values by name; `save` writes the file atomically and only when something has
    changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._values: dict[str, Any] = {}
        self._dirty = False
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(loaded, dict):
                raise ValueError("it does not hold an object")
            self._values = loaded
        except FileNotFoundError:
            pass  # the first start
        except (OSError, ValueError) as error:
            self.problem = f"{path} cannot be read and is started anew: {error}"

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default` also when what was stored is of another type."""
        value = self._values.get(key, default)
        return default if default is not None and type(value) is not type(default) else value

    def set(self, key: str, value: Any) -> None:
        if self._values.get(key) != value:
            self._values[key] = value
            self._dirty = True

    def save(self) -> None:
        """Write the file; raises OSError when the directory cannot be written."""
        if not self._dirty:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}.tmp")
        fresh.write_text(json.dumps(self._values, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(self.path)
        self._dirty = False
