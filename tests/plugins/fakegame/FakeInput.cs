// The fake game's player as far as input goes: hands are read in Update, what they want is done in FixedUpdate.
using System.Collections.Generic;
using System.Text.Json.Nodes;
using Assets.Scripts.Actors.Player;
using Assets.Scripts.Utility;
using HarmonyLib;
using UnityEngine;

namespace FakeGame;

public static class FakeInput
{
    private static int _jumps, _interactions, _slides, _jumpHolds, _fixedSteps;
    private static bool _slid, _held;
    private static Vector2 _moved;
    private static readonly List<Vector2> Moves = new();

    /// <summary>One fixed step: presses are taken and cleared here.</summary>
    public static void FixedUpdate()
    {
        _fixedSteps++;
        if (MyPlayer.Instance?.playerInput is not { } input || MyTime.paused)
        {
            return;
        }
        _moved = new Vector2(input.moveHorizontal, input.moveVertical);
        if (Moves.Count == 0 || Moves[^1].x != _moved.x || Moves[^1].y != _moved.y)
        {
            Moves.Add(_moved);
        }
        _slides += input.sliding && !_slid ? 1 : 0;
        _jumpHolds += input.holdingJump && !_held ? 1 : 0;
        (_slid, _held) = (input.sliding, input.holdingJump);
        if (input.jumping)
        {
            _jumps++;
            input.jumping = false;
        }
        _interactions += input.interacting ? 1 : 0;
        input.interacting = false;
    }

    /// <summary>One frame: the game reads its player's hands, and patches may change what it read.</summary>
    public static void Update()
    {
        if (MyPlayer.Instance?.playerInput is { } input && !MyTime.paused)
        {
            Harmony.Call(typeof(PlayerInput), "MovementInput", input, () => Read(input));
        }
        Input.Clicked = false;
        MyInputManager.Before.Clear();
        MyInputManager.Before.UnionWith(MyInputManager.Held);
    }

    /// <summary>A screen that shows what the last fixed step did: how it moved, and presses so far.</summary>
    public static (byte Red, byte Green, byte Blue) Paint(float x, float y)
    {
        if (y < 0.5f)
        {
            return (Shade(_moved.x), Shade(_moved.y), (byte)_jumps);
        }
        return ((byte)_interactions, (byte)_slides, (byte)(_slid ? 1 : 0));
    }

    public static void Report(JsonObject report, PlayerInput input)
    {
        report["move"] = new JsonArray(input.moveHorizontal, input.moveVertical);
        report["moved"] = new JsonArray(_moved.x, _moved.y);
        report["moves"] = new JsonArray(Moves.ConvertAll(m => (JsonNode)new JsonArray(m.x, m.y)).ToArray());
        report["holding_jump"] = input.holdingJump;
        report["holding_wallrun"] = input.holdingWallrun;
        report["sliding"] = input.sliding;
        report["jumps"] = _jumps;
        report["jump_holds"] = _jumpHolds;
        report["slides"] = _slides;
        report["interactions"] = _interactions;
        report["fixed_steps"] = _fixedSteps;
        report["rotation"] = new JsonArray(input.desiredCameraRotation.x, input.desiredCameraRotation.y);
    }

    private static byte Shade(float axis) => (byte)(128 + 100 * axis);

    private static void Read(PlayerInput input)
    {
        input.moveHorizontal = MyInputManager.GetAxis("Move Horizontal");
        input.moveVertical = MyInputManager.GetAxis("Move Vertical");
        input.holdingJump = MyInputManager.GetButton("Jump");
        input.holdingWallrun = !input.hasWallrunActionBound || MyInputManager.GetButton("Wallrun");
        input.sliding = MyInputManager.GetButton("Slide");
        input.aiming = MyInputManager.GetButton("Aim");
        if (MyInputManager.GetButtonDown("Jump"))
        {
            input.jumping = true;
            input.currentJumpBufferTick = 0;
        }
        if (MyInputManager.GetButtonDown("Interact"))
        {
            input.interacting = true;
        }
    }
}
