// Clicks from capture pixels to screen pixels, and which of several rectangles lies under a point. No Unity.
using System.Collections.Generic;

namespace BonkLink;

/// <summary>A button on a screen: pixels with the origin bottom-left, in drawing order (later is on top).</summary>
public readonly record struct MenuButton(int Id, float X, float Y, float Width, float Height, bool Enabled)
{
    public float CentreX => X + Width / 2;

    public float CentreY => Y + Height / 2;

    public bool Holds(float x, float y) => x >= X && x < X + Width && y >= Y && y < Y + Height;
}

public static class ClickMap
{
    /// <summary>The screen point of the centre of a capture pixel; both have their origin bottom-left.</summary>
    public static (float X, float Y) ToScreen(int x, int y, int captureW, int captureH, int screenW, int screenH) =>
        ((x + 0.5f) / captureW * screenW, (y + 0.5f) / captureH * screenH);

    /// <summary>Index of the topmost button that holds the point, or −1.</summary>
    public static int Under(List<MenuButton> buttons, float x, float y)
    {
        for (var i = buttons.Count - 1; i >= 0; i--)
        {
            if (buttons[i].Holds(x, y))
            {
                return i;
            }
        }
        return -1;
    }

    /// <summary>Index of the nearest enabled button in a direction from another, or −1.</summary>
    public static int Next(List<MenuButton> buttons, MenuButton from, float dx, float dy)
    {
        var best = -1;
        var bestCost = float.PositiveInfinity;
        for (var i = 0; i < buttons.Count; i++)
        {
            var to = buttons[i];
            float x = to.CentreX - from.CentreX, y = to.CentreY - from.CentreY;
            var along = x * dx + y * dy;
            if (!to.Enabled || to.Id == from.Id || along <= 1f)
            {
                continue;
            }
            var aside = x * dy - y * dx;
            var cost = along + 2f * (aside < 0 ? -aside : aside);
            if (cost < bestCost)
            {
                best = i;
                bestCost = cost;
            }
        }
        return best;
    }
}
