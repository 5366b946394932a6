"""How the arena is drawn: renderer, scene, head-up display, sprites. No rules."""
