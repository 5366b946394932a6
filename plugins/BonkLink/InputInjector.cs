// The agent's hands in play: writes the game's own input fields right after the game read the human's. Main thread.
using System;
using Assets.Scripts.Actors.Player;
using UnityEngine;

namespace BonkLink;

public sealed class InputInjector
{
    private const float LowestPitch = -40, HighestPitch = 75;
    private static InputInjector? _current;
    private float _yaw, _pitch;

    public InputInjector()
    {
        _current = this;
    }

    /// <summary>False leaves the human's input alone.</summary>
    public bool IsDriven { get; set; }

    /// <summary>What the agent does in this frame.</summary>
    public PlayControls Controls { get; set; }

    public void Plan(Patches patches)
    {
        var after = Patches.Own(typeof(InputInjector), nameof(AfterMovementInput));
        patches.Add("PlayerInput", "MovementInput", null, after, "an agent cannot move");
        var skip = Patches.Own(typeof(InputInjector), nameof(UnlessDriven));
        patches.Add("PauseHandler", "OnGameOverlayActivated", skip, null, "Steam's overlay pauses the game");
        patches.Add("PauseHandler", "OnControllerDisconnected", skip, null, "a lost controller pauses the game");
    }

    /// <summary>This frame's controls; turns add up until they are looked.</summary>
    public void Add(in PlayControls controls)
    {
        Controls = controls;
        _yaw += controls.YawDegrees;
        _pitch += controls.PitchDegrees;
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
        var rotation = input.desiredCameraRotation;
        rotation.y += yaw;
        rotation.x = Math.Clamp(rotation.x - pitch, LowestPitch, HighestPitch);
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
        var controls = injector.Controls;
        __instance.moveHorizontal = controls.MoveX;
        __instance.moveVertical = controls.MoveY;
        __instance.holdingJump = controls.JumpHeld;
        __instance.holdingWallrun = controls.JumpHeld;
        __instance.sliding = controls.Slide;
        __instance.aiming = false;
        __instance.jumping = controls.JumpPressed;
        if (controls.JumpPressed)
        {
            // The game counts this buffer down in fixed ticks; refilling it every frame would never stop the jumps.
            __instance.currentJumpBufferTick = 0;
        }
        if (controls.InteractPressed)
        {
            __instance.interacting = true;
        }
    }

    private static bool UnlessDriven() => _current is not { IsDriven: true };
}
