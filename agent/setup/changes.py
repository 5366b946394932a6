"""Changes of files that can be undone: whatever was done is taken back when a later one fails.

Owns the list of what was done. With `dry_run` it says what it would do and does nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.core.files import write_atomically


class Changes:
    """Writes, moves and removals below one folder, each with its inverse; what is lost is kept in `backup`."""

    def __init__(self, backup: Path, *, dry_run: bool = False, say: Callable[[str], None] = lambda text: None) -> None:
        self.done: list[str] = []
        self._backup = backup
        self._dry_run = dry_run
        self._say = say
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def together(self) -> Iterator[Changes]:
        """Undo everything, latest first, where the block raises."""
        try:
            yield self
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Take back what was done so far."""
        while self._undo:
            self._undo.pop()()
        self.done.clear()

    def write(self, path: Path, data: bytes) -> bool:
        """Give a file this content, keeping what stood there in the backup; False where it has it already."""
        if path.is_file() and path.read_bytes() == data:
            return False
        self._note(f"write {path}")
        if self._dry_run:
            return True
        self._make_folder(path.parent)
        if path.exists():
            self.keep(path)
            old = path.read_bytes()
            self._undo.append(lambda: write_atomically(path, old))
        else:
            self._undo.append(path.unlink)
        write_atomically(path, data)
        return True

    def move(self, source: Path, target: Path) -> bool:
        """Move a file or a folder; False where there is nothing to move."""
        if not source.exists():
            return False
        self._note(f"move {source} to {target}")
        if not self._dry_run:
            self._make_folder(target.parent)
            source.rename(target)
            self._undo.append(lambda: _back(target, source))
        return True

    def set_aside(self, path: Path) -> bool:
        """Move a file or folder into the backup; False where it is not there."""
        return self.move(path, self._place(path))

    def keep(self, path: Path) -> None:
        """Copy a file into the backup."""
        place = self._place(path)
        if not self._dry_run:
            self._make_folder(place.parent)
            shutil.copy2(path, place)
            self._undo.append(place.unlink)

    def _place(self, path: Path) -> Path:
        root = self._backup.parents[2]
        if not path.is_relative_to(root):  # such as the game's own settings, which lie in the user's folder
            return self._backup / "outside" / Path(*path.parts[1:])
        return self._backup / path.relative_to(root)

    def _note(self, text: str) -> None:
        self.done.append(text)
        self._say(f"would {text}" if self._dry_run else text)

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for made in reversed(missing):
            made.mkdir()
            self._undo.append(made.rmdir)


def _back(target: Path, source: Path) -> None:
    source.parent.mkdir(parents=True, exist_ok=True)
    target.rename(source)
