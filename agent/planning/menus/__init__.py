"""Going through menus to a goal, with safe clicks: screens as a graph, choosers, the mouse. No torch, no policy."""
