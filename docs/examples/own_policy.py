"""A policy of your own: it walks away from the nearest enemy and takes the first card."""

from math import atan2, cos, sin

from agent.control import menus
from agent.core.types import Action, Observation


class Runner:
    menu = menus.MenuCarry()

    def act(self, observation: Observation) -> Action:
        state = observation.state
        if menus.in_menu(state):
            self.menu, action = menus.step(self.menu, state)
            return action
        away = state.position - state.enemies[:, :3]  # from each enemy to the player
        x, _, z = min(away, key=lambda a: a @ a, default=(0.0, 0.0, 1.0))
        angle = atan2(x, z) - state.scene.camera_yaw_rad
        return Action(move=(sin(angle), cos(angle)))
