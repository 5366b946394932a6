// The agent's hands in play: writes the game's own input fields right after the game read the human's. Main thread.
// The game reads them in FixedUpdate, which may run never or several times between two frames: a press is set once and
// left for the game to clear. While an agent drives, the game's own question for a button of play is answered with no.
using System;
using System.Collections.Generic;
using Assets.Scripts.Actors.Player;
using UnityEngine;

namespace BonkLink;

public sealed class InputInjector
{
    private const float LowestPitch = -40, HighestPitch = 75;
    private static InputInjector? _current;
    private static readonly HashSet<string> OfPlay = new();
    private readonly ButtonLatch _jump = new(false), _slide = new(true), _interact = new(false);
    private PlayControls _controls;
    private float _yaw, _pitch;
    private static Vector2 _turned;
    private long _halfSteps = 1;
    private bool _isLockStep, _isInPlay;

    public InputInjector()
    {
        _current = this;
    }

    /// <summary>False leaves the human's input alone.</summary>
    public bool IsDriven { get; set; }

    /// <summary>True while the human's own buttons are asked for, which are then told as they are.</summary>
    public static bool ReadsHuman { get; set; }

    /// <summary>Degrees of pitch (x) and yaw (y) that the agent turned the camera since this was asked last.</summary>
    public static Vector2 TakeTurned()
    {
        var turned = _turned;
        _turned = default;
        return turned;
    }

    public void Plan(Patches patches)
    {
        var after = Patches.Own(typeof(InputInjector), nameof(AfterMovementInput));
        patches.Add("PlayerInput", "MovementInput", null, after, "an agent cannot move");
        var no = Patches.Own(typeof(InputInjector), nameof(UnlessOfPlay));
        foreach (var query in new[] { "GetButton", "GetButtonDown", "GetButtonUp" })
        {
            patches.Add("MyInputManager", query, no, null, "a human's buttons act beside an agent's");
        }
        var skip = Patches.Own(typeof(InputInjector), nameof(UnlessDriven));
        patches.Add("PauseHandler", "OnGameOverlayActivated", skip, null, "Steam's overlay pauses the game");
        patches.Add("PauseHandler", "OnControllerDisconnected", skip, null, "a lost controller pauses the game");
    }

    /// <summary>This frame's controls; turns and presses wait until the game takes them.</summary>
    public void Add(in PlayControls controls)
    {
        (_isLockStep, _isInPlay) = (false, true);
        _controls = controls;
        _yaw += controls.YawDegrees;
        _pitch += controls.PitchDegrees;
        _jump.Set(controls.JumpHeld, controls.JumpPresses);
        _slide.Set(controls.Slide, controls.SlidePresses);
        _interact.Set(controls.InteractHeld, controls.InteractPresses);
    }

    /// <summary>In lock-step: the fixed step that comes next acts on these, before the game reads any hands.</summary>
    public void Act(in PlayControls controls)
    {
        (_isLockStep, _isInPlay) = (true, false);
        _controls = controls;
        if (MyPlayer.Instance != null && MyPlayer.Instance.playerInput is { } input)
        {
            Write(input, controls.JumpHeld, controls.Slide, controls.JumpPressed, controls.InteractPressed);
        }
    }

    /// <summary>Nothing is held, and no press waits.</summary>
    public void Rest()
    {
        _controls = default;
        _isInPlay = false;
        (_yaw, _pitch) = (0, 0);
        _jump.Clear();
        _slide.Clear();
        _interact.Clear();
    }

    /// <summary>
    /// One fixed step of the game, from FixedUpdate, before or after the game's own: what the step before saw may
    /// change, so that at a low frame rate presses do not wait for frames.
    /// </summary>
    public void FixedStep()
    {
        _halfSteps++;
        if (IsDriven && _isInPlay && MyPlayer.Instance != null && MyPlayer.Instance.playerInput is { } input)
        {
            Take(input);
        }
        _halfSteps++;
    }

    /// <summary>Turn the camera by hand: the game ignores look input while the cursor is free.</summary>
    public void Look()
    {
        var (yaw, pitch) = (_yaw, _pitch);
        (_yaw, _pitch) = (0, 0);
        if (!IsDriven || (yaw == 0 && pitch == 0) || MyPlayer.Instance == null)
        {
            return;
        }
        var input = MyPlayer.Instance.playerInput;
        var before = input.desiredCameraRotation;
        var rotation = before;
        rotation.y += yaw;
        rotation.x = Math.Clamp(rotation.x - pitch, LowestPitch, HighestPitch);
        _turned = new Vector2(_turned.x + rotation.x - before.x, _turned.y + rotation.y - before.y);
        input.desiredCameraRotation = rotation;
        input.cameraRotation = rotation;
        if (Cursor.lockState == CursorLockMode.None && PlayerCamera.Instance != null)
        {
            PlayerCamera.Instance.CameraInput(rotation);
        }
    }

    /// <summary>After the game read the human's hands: the agent's instead, while it drives.</summary>
    private static void AfterMovementInput(PlayerInput __instance)
    {
        if (_current is not { IsDriven: true } injector)
        {
            return;
        }
        if (injector._isLockStep)
        {
            injector.Write(__instance, injector._controls.JumpHeld, injector._controls.Slide, false, false);
            return;
        }
        injector.Take(__instance);
    }

    private void Take(PlayerInput input)
    {
        var (jumps, interacts) = (_jump.Frame(_halfSteps), _interact.Frame(_halfSteps));
        _slide.Frame(_halfSteps);
        Write(input, _jump.IsDown, _slide.IsDown, jumps, interacts);
    }

    private void Write(PlayerInput input, bool holdsJump, bool slides, bool jumps, bool interacts)
    {
        input.moveHorizontal = _controls.MoveX;
        input.moveVertical = _controls.MoveY;
        input.holdingJump = holdsJump;
        input.sliding = slides;
        input.aiming = false;
        if (input.hasWallrunActionBound)
        {
            // Where the action has no key the game itself holds it always.
            input.holdingWallrun = holdsJump;
        }
        if (jumps)
        {
            // The game counts this buffer down in fixed steps and clears the press itself.
            input.jumping = true;
            input.currentJumpBufferTick = 0;
        }
        if (interacts)
        {
            input.interacting = true;
        }
    }

    /// <summary>Before the game asks for a button by its action's name.</summary>
    private static bool UnlessOfPlay(string __0, ref bool __result)
    {
        if (ReadsHuman || _current is not { IsDriven: true } || !IsOfPlay(__0))
        {
            return true;
        }
        __result = false;
        return false;
    }

    private static bool IsOfPlay(string action)
    {
        if (OfPlay.Count == 0)
        {
            OfPlay.UnionWith(new[]
            {
                MyInputManager.Jump, MyInputManager.JumpBhop, MyInputManager.Slide, MyInputManager.Aim,
                MyInputManager.Interact, MyInputManager.Wallrun,
            });
        }
        return OfPlay.Contains(action);
    }

    private static bool UnlessDriven() => _current is not { IsDriven: true };
}
