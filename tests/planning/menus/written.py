"""A reading that needs no engine: the words that the arena wrote on its open screen, where they stand."""

from __future__ import annotations

from agent.concurrency.frames import Message
from agent.games.arena.game import ArenaGame
from agent.games.arena.pictures import draw
from agent.planning.screen.messages import Embed, Open, Opened, ReadPicture, Vectors, Word, Words


class Written:
    """Answers as the reading process does."""

    def __init__(self, game: ArenaGame) -> None:
        self._game = game

    def answered(self, message: Message, payload: bytes) -> tuple[Message, bytes]:
        """The words in the boxes that are asked for."""
        if isinstance(message, Open):
            return Opened(engine="written"), b""
        if isinstance(message, Embed):
            return Vectors(size=0), b""
        assert isinstance(message, ReadPicture)
        return Words(words=tuple(w for w in self.words() if any(_touches(w.box, b) for b in message.boxes))), b""

    def words(self) -> list[Word]:
        """The title, the captions and the texts of the open screen; none in play."""
        screen = self._game.screen
        if screen is None:
            return []
        w, h = self._game.capture_size_px
        found = [_word(screen.title, 0.5 * w, 0.1 * h, h)]
        for button in screen.buttons:
            x0, y0, x1, y1 = button.rect
            found.append(_word(button.caption, (x0 + x1) / 2 * w, (y0 + y1) / 2 * h, h))
        found += [_word(text, 0.8 * w, (0.3 + 0.1 * i) * h, h) for i, text in enumerate(screen.texts)]
        return found


def _word(text: str, x: float, y: float, height_px: int) -> Word:
    width, height = draw.text_size_px(text, max(0.3, height_px / 180 * 0.36))
    box = max(0, int(x - width / 2)), max(0, int(y - height)), int(x + width / 2), int(y + height)
    return Word(text, box, 0.99)


def _touches(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
