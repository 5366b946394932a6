"""A game of your own: catch the falling ball with the bar."""

import gymnasium
import numpy as np


class Catch(gymnasium.Env):
    metadata = {"render_fps": 15}
    action_space = gymnasium.spaces.Discrete(3)  # stay, left, right
    observation_space = gymnasium.spaces.Box(0, 255, (10, 10), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bar, self.ball, self.row = 5, int(self.np_random.integers(10)), -1
        return self.step(0)[0], {}

    def step(self, action):
        self.bar, self.row = min(max(self.bar + (0, -1, 1)[action], 0), 9), self.row + 1
        board = np.zeros((10, 10), np.uint8)
        board[9, self.bar] = board[self.row, self.ball] = 255
        return board, (self.row == 9) * (1.0 if self.bar == self.ball else -1.0), self.row == 9, False, {}
