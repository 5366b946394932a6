"""Reading menus from pictures: what changed, words by OCR in a process of its own, elements. No torch, no policy."""
