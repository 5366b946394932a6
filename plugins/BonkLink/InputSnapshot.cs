// What the human does in this frame, for HINP, read from the game's own input facade and from the mouse.
using System;
using Assets.Scripts.Actors.Player;
using UnityEngine;

namespace BonkLink;

public sealed class InputSnapshot
{
    private readonly Field<float> _moveX = new(
        "human move", 0, () => MyInputManager.GetAxis(MyInputManager.MoveHorizontal),
        () => MyInputManager.GetAxis("Move Horizontal"));

    private readonly Field<float> _moveY = new(
        "human move", 0, () => MyInputManager.GetAxis(MyInputManager.MoveVertical),
        () => MyInputManager.GetAxis("Move Vertical"));

    private readonly Field<bool> _fire = new(
        "human jump", false, () => MyInputManager.GetButton(MyInputManager.Jump),
        () => MyInputManager.GetButton("Jump"));

    private readonly Field<bool> _slide = new(
        "human slide", false, () => MyInputManager.GetButton(MyInputManager.Slide),
        () => MyInputManager.GetButton("Slide"));

    private readonly Field<bool> _interact = new(
        "human interact", false, () => MyInputManager.GetButton(MyInputManager.Interact),
        () => MyInputManager.GetButton("Interact"));

    private readonly Field<bool> _click = new("human click", false, () => Input.GetMouseButtonDown(0));

    private readonly Field<Vector2> _mouse = new(
        "mouse", default, () => new Vector2(Input.mousePosition.x, Input.mousePosition.y));

    private readonly Field<Vector3?> _rotation = new(
        "human look", null,
        () => MyPlayer.Instance == null ? null : MyPlayer.Instance.playerInput.desiredCameraRotation);

    /// <summary>A camera that turned further within a frame was set by the game, as at the start of a run.</summary>
    private const float MostDegrees = 60;

    private Vector3? _before;

    public HumanInput Sample()
    {
        var mouse = _mouse.Read();
        var (lookX, lookY) = Look();
        return new HumanInput
        {
            Version = 1,
            MoveX = _moveX.Read(),
            MoveY = _moveY.Read(),
            LookX = lookX,
            LookY = lookY,
            Fire = _fire.Read(),
            Ability = _slide.Read(),
            Interact = _interact.Read(),
            Click = _click.Read(),
            ClickX = Share(mouse.x, Screen.width),
            ClickY = 1 - Share(mouse.y, Screen.height),
        };
    }

    /// <summary>How fast a hand turned the camera since the frame before, in units of the wire's look.</summary>
    private (float X, float Y) Look()
    {
        var now = _rotation.Read();
        var before = _before;
        _before = now;
        var turned = InputInjector.TakeTurned();
        var seconds = Time.unscaledDeltaTime;
        if (now is not { } here || before is not { } there || seconds <= 0)
        {
            return (0, 0);
        }
        var full = PlayControls.TurnDegreesPerS * seconds;
        var (right, up) = (here.y - there.y - turned.y, there.x - here.x + turned.x);
        return Math.Max(Math.Abs(right), Math.Abs(up)) > MostDegrees
            ? (0, 0)
            : (Math.Clamp(right / full, -1, 1), Math.Clamp(up / full, -1, 1));
    }

    private static float Share(float value, int whole) => whole > 0 ? Math.Clamp(value / whole, 0f, 1f) : 0;
}
